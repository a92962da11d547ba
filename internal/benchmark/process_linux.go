package main

import (
	"os/exec"
	"syscall"
)

// endWithParent lets the kernel kill a process when the thread that started it ends. Go ends threads only with the
// process, unless a goroutine is locked to its thread, which no goroutine is.
func endWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
