//go:build !linux

package main

import "errors"

func linkCommand([]string) error {
	return errors.New("link needs Linux")
}

func lanCommand([]string) error {
	return errors.New("lan needs Linux")
}

func inNamespace(string, func() error) error {
	return errors.New("network namespaces need Linux")
}
