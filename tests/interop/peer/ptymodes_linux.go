// Terminal modes of a pty-req (RFC 4254 §8), applied to a real terminal.
//
//	modes: { opcode u8 | argument u32 BE }* | 0

package main

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

const (
	modeEnd        = 0
	modeInputSpeed = 128
	modeOutSpeed   = 129
	modeReserved   = 160 // opcodes from here on have no defined argument: parsing stops
)

// Opcodes that name a control character, an input, local, output or control flag.
var (
	modeCharacters = map[byte]int{
		1: unix.VINTR, 2: unix.VQUIT, 3: unix.VERASE, 4: unix.VKILL, 5: unix.VEOF, 6: unix.VEOL, 7: unix.VEOL2,
		8: unix.VSTART, 9: unix.VSTOP, 10: unix.VSUSP, 12: unix.VREPRINT, 13: unix.VWERASE, 14: unix.VLNEXT,
		18: unix.VDISCARD,
	}
	modeInput = map[byte]uint32{
		30: unix.IGNPAR, 31: unix.PARMRK, 32: unix.INPCK, 33: unix.ISTRIP, 34: unix.INLCR, 35: unix.IGNCR,
		36: unix.ICRNL, 37: unix.IUCLC, 38: unix.IXON, 39: unix.IXANY, 40: unix.IXOFF, 41: unix.IMAXBEL, 42: unix.IUTF8,
	}
	modeLocal = map[byte]uint32{
		50: unix.ISIG, 51: unix.ICANON, 52: unix.XCASE, 53: unix.ECHO, 54: unix.ECHOE, 55: unix.ECHOK,
		56: unix.ECHONL, 57: unix.NOFLSH, 58: unix.TOSTOP, 59: unix.IEXTEN, 60: unix.ECHOCTL, 61: unix.ECHOKE, 62: unix.PENDIN,
	}
	modeOutput = map[byte]uint32{
		70: unix.OPOST, 71: unix.OLCUC, 72: unix.ONLCR, 73: unix.OCRNL, 74: unix.ONOCR, 75: unix.ONLRET,
	}
	modeControl = map[byte]uint32{92: unix.PARENB, 93: unix.PARODD}
)

func applyTerminalModes(terminal *os.File, modes string) error {
	fd := int(terminal.Fd())
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	setFlag := func(flags *uint32, bit uint32, on bool) {
		*flags &^= bit
		if on {
			*flags |= bit
		}
	}
	for b := []byte(modes); len(b) >= 5 && b[0] != modeEnd && b[0] < modeReserved; b = b[5:] {
		opcode, argument := b[0], binary.BigEndian.Uint32(b[1:])
		if i, ok := modeCharacters[opcode]; ok {
			t.Cc[i] = byte(argument)
			if argument == 255 { // RFC 4254 §8: the character is disabled; Linux writes that as 0
				t.Cc[i] = 0
			}
		}
		setFlag(&t.Iflag, modeInput[opcode], argument != 0)
		setFlag(&t.Lflag, modeLocal[opcode], argument != 0)
		setFlag(&t.Oflag, modeOutput[opcode], argument != 0)
		setFlag(&t.Cflag, modeControl[opcode], argument != 0)
		switch opcode {
		case modeInputSpeed:
			t.Ispeed = argument
		case modeOutSpeed:
			t.Ospeed = argument
		case 90, 91: // CS7, CS8
			if argument != 0 {
				size := map[byte]uint32{90: unix.CS7, 91: unix.CS8}[opcode]
				t.Cflag = t.Cflag&^unix.CSIZE | size
			}
		}
	}
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}
