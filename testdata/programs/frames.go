// A Go program that stops itself, unless it is told not to, and then makes threads: what ends with a locked thread ends that.
package main

import (
	"os"
	"runtime"
	"syscall"
)

//go:noinline
func spawn(done chan bool) {
	go func() {
		runtime.LockOSThread()
		done <- true
	}()
	<-done
}

func main() {
	if len(os.Args) == 1 {
		syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
	}
	done := make(chan bool)
	for i := 0; i < 8; i++ {
		spawn(done)
	}
}
