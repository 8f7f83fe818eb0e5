//go:build !linux

package main

import "errors"

func linkCommand([]string) error {
	return errors.New("link needs Linux")
}
