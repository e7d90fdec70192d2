/* Every way to make a task, by raw system calls: thread or process, whichever event the kernel
 * reports it by. A recorder that takes the event's kind for thread-or-process fails here.
 *
 *     kinds
 *
 * Prints for each a `made` line with ` case <name> flags 0x<hex>` behind it: the flags as they
 * were passed, the exit signal in the lowest byte (clone3 passes it beside the flags). For vfork
 * and fork, which pass none, the flags that clone(2) would need. One after the other; all waited for.
 */
#define _GNU_SOURCE
#include "say.h"
#include <linux/futex.h>
#include <linux/sched.h> /* struct clone_args */
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_SYSVSEM | CLONE_THREAD)
#define STACK_BYTES 65536

static _Alignas(16) char stack[STACK_BYTES];
static volatile int thread_alive; /* a raw thread's TID; the kernel writes 0 when it ends */

static int nothing(void *arg) {
	(void)arg;
	return 0;
}

/* The kernel wakes whoever waits for a word that CLONE_CHILD_CLEARTID names. */
static void wait_for_thread(void) {
	int tid;
	while ((tid = thread_alive) != 0)
		syscall(SYS_futex, &thread_alive, FUTEX_WAIT, tid, NULL, NULL, 0);
}

static void wait_for_process(int child) {
	int status, reaped;
	do
		reaped = waitpid(child, &status, __WALL);
	while (reaped < 0 && errno == EINTR);
	if (reaped != child || status != 0)
		die("child %d: status 0x%x: %s", child, (unsigned)status, strerror(errno));
}

static int check(const char *name, long tid) {
	if (tid < 0)
		die("%s: %s", name, strerror(errno));
	return (int)tid;
}

/* clone(2) on a stack of its own. The C library's clone does not touch the flags. */
static void on_own_stack(const char *name, int flags) {
	int is_thread = flags & CLONE_THREAD;
	if (is_thread) {
		flags |= CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
		thread_alive = -1;
	}
	int tid = check(name, clone(nothing, stack + STACK_BYTES, flags, NULL, &thread_alive, NULL,
				    &thread_alive));
	say_made_case(is_thread ? "thread" : "process", my_tid(), tid, name, (unsigned)flags);
	is_thread ? wait_for_thread() : wait_for_process(tid);
}

/* clone(2) without a stack: both sides go on from here. */
static int like_fork(const char *name, int flags) {
	int tid = check(name, syscall(SYS_clone, (long)flags, 0, 0, 0, 0));
	if (tid == 0)
		_exit(0);
	say_made_case("process", my_tid(), tid, name, (unsigned)flags);
	return tid;
}

/* clone3(2) on a new stack, for which the C library has no function. */
static long clone3_call(struct clone_args *args, int (*run)(void *)) {
#if defined(__x86_64__)
	long result;
	register int (*call)(void *) __asm__("r8") = run;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "xor %%edi, %%edi\n\t"
			 "call *%%r8\n\t"
			 "mov %%eax, %%edi\n\t"
			 "mov %[exit], %%eax\n\t"
			 "syscall\n"
			 "1:"
			 : "=a"(result)
			 : "0"((long)SYS_clone3), "D"(args), "S"(sizeof *args), "r"(call), [exit] "i"(SYS_exit)
			 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long result __asm__("x0") = (long)args;
	register long size __asm__("x1") = sizeof *args;
	register int (*call)(void *) __asm__("x2") = run;
	register long number __asm__("x8") = SYS_clone3;
	__asm__ volatile("svc #0\n\t"
			 "cbnz x0, 1f\n\t"
			 "blr x2\n\t"
			 "mov x8, %[exit]\n\t"
			 "svc #0\n"
			 "1:"
			 : "+r"(result)
			 : "r"(size), "r"(call), "r"(number), [exit] "i"(SYS_exit)
			 : "x30", "memory");
#else
#error "clone3 on a new stack is not written for this architecture"
#endif
	if (result < 0 && result > -4096) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

static void clone3_thread(const char *name) {
	struct clone_args args = {
		.flags = THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
		.parent_tid = (uintptr_t)&thread_alive,
		.child_tid = (uintptr_t)&thread_alive,
		.stack = (uintptr_t)stack,
		.stack_size = STACK_BYTES,
	};
	thread_alive = -1;
	int tid = check(name, clone3_call(&args, nothing));
	say_made_case("thread", my_tid(), tid, name, args.flags);
	wait_for_thread();
}

static void clone3_process(const char *name, unsigned long flags, unsigned long exit_signal) {
	struct clone_args args = {.flags = flags, .exit_signal = exit_signal};
	int tid = check(name, syscall(SYS_clone3, &args, sizeof args));
	if (tid == 0)
		_exit(0);
	say_made_case("process", my_tid(), tid, name, flags | exit_signal);
	wait_for_process(tid);
}

/* With CLONE_PARENT the new process is a child of its creator's parent. So that it is ours and
 * can be waited for, a process between makes it. */
static void clone_parent(void) {
	int pipe_ends[2], sibling;
	if (pipe(pipe_ends) < 0)
		die("cannot make a pipe: %s", strerror(errno));
	int middle = check("parent-middle", syscall(SYS_clone, (long)SIGCHLD, 0, 0, 0, 0));
	if (middle == 0) {
		sibling = like_fork("parent", CLONE_PARENT | SIGCHLD);
		_exit(write(pipe_ends[1], &sibling, sizeof sibling) != sizeof sibling);
	}
	say_made_case("process", my_tid(), middle, "parent-middle", SIGCHLD);
	if (read(pipe_ends[0], &sibling, sizeof sibling) != sizeof sibling)
		die("the process between ended early");
	wait_for_process(middle);
	wait_for_process(sibling);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

static void by_vfork(void) {
	int child = check("vfork", vfork());
	if (child == 0)
		_exit(0);
	say_made_case("process", my_tid(), child, "vfork", CLONE_VM | CLONE_VFORK | SIGCHLD);
	wait_for_process(child);
}

#ifdef SYS_fork /* not on aarch64 */
static void by_fork_call(void) {
	int child = check("fork-syscall", syscall(SYS_fork));
	if (child == 0)
		_exit(0);
	say_made_case("process", my_tid(), child, "fork-syscall", SIGCHLD);
	wait_for_process(child);
}
#endif

int main(void) {
	signal(SIGUSR1, SIG_IGN); /* an exit signal below: ignored, its sender must still be reaped */
	on_own_stack("thread", THREAD);
	on_own_stack("thread-vfork", THREAD | CLONE_VFORK);
	on_own_stack("shared-memory", CLONE_VM | SIGCHLD);
	on_own_stack("shared-memory-vfork", CLONE_VM | CLONE_VFORK | SIGCHLD);
	wait_for_process(like_fork("fork-like", SIGCHLD));
	wait_for_process(like_fork("exit-signal-none", 0));
	wait_for_process(like_fork("exit-signal-usr1", SIGUSR1));
	wait_for_process(like_fork("vfork-like", CLONE_VFORK | SIGCHLD));
	clone_parent();
	clone3_thread("clone3-thread");
	clone3_process("clone3-process", 0, SIGCHLD);
	clone3_process("clone3-exit-signal-none", 0, 0);
	clone3_process("clone3-clear-sighand", CLONE_CLEAR_SIGHAND, SIGCHLD);
	by_vfork();
#ifdef SYS_fork
	by_fork_call();
#endif
	return 0;
}
