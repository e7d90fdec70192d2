// A Go program that stops itself, and then makes threads: what ends with a locked thread ends that.
package main

import (
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
	syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
	done := make(chan bool)
	for i := 0; i < 8; i++ {
		spawn(done)
	}
}
