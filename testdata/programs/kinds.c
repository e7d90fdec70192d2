/* Every way to make a task, by raw system calls: thread or process, whichever event the kernel
 * reports it by. A recorder that takes the event's kind for thread-or-process fails here.
 *
 *     kinds [newpid | untraced]
 *
 * Prints for each a `made` line with ` case <name> flags 0x<hex>` behind it: the flags as they
 * were passed, the exit signal in the lowest byte (clone3 passes it beside the flags). For vfork
 * and fork, which pass none, the flags that clone(2) would need. One after the other; all waited for.
 *
 * With `newpid` (root), processes in pid namespaces of their own, and what those make. The TIDs in
 * `made` lines are those of the outer namespace: `/proc` is the outer one's, and tells them.
 *
 * With `untraced`, tasks that no tracer hears of, between others that it does. Each prints
 *     unseen <thread|process> parent <tid> child <tid>
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

/* The caller's TID in the namespace of the mounted /proc. */
static int outer_tid(void) {
	char link[64];
	ssize_t length = readlink("/proc/thread-self", link, sizeof link - 1);
	if (length < 0)
		die("cannot read /proc/thread-self: %s", strerror(errno));
	link[length] = '\0';
	return atoi(strrchr(link, '/') + 1);
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
static void clone_parent(const char *middle_name, const char *name, int by_clone3) {
	int pipe_ends[2], sibling;
	if (pipe(pipe_ends) < 0)
		die("cannot make a pipe: %s", strerror(errno));
	int middle = check(middle_name, syscall(SYS_clone, (long)SIGCHLD, 0, 0, 0, 0));
	if (middle == 0) {
		/* clone3 takes no exit signal with CLONE_PARENT: the creator's own is used. */
		struct clone_args args = {.flags = CLONE_PARENT};
		if (!by_clone3) {
			sibling = like_fork(name, CLONE_PARENT | SIGCHLD);
		} else {
			sibling = check(name, syscall(SYS_clone3, &args, sizeof args));
			if (sibling == 0)
				_exit(0);
			say_made_case("process", my_tid(), sibling, name, CLONE_PARENT);
		}
		_exit(write(pipe_ends[1], &sibling, sizeof sibling) != sizeof sibling);
	}
	say_made_case("process", my_tid(), middle, middle_name, SIGCHLD);
	if (read(pipe_ends[0], &sibling, sizeof sibling) != sizeof sibling)
		die("the process between ended early");
	wait_for_process(middle);
	wait_for_process(sibling);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

static int outer_creator;          /* the outer TID of who makes the next inner task */
static volatile int inner_running; /* set by an inner thread */

static int inner_thread(void *name) {
	say_made_case("thread", outer_creator, outer_tid(), name,
		      THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID);
	return 0;
}

static int inner_sleeper(void *name) {
	inner_thread(name);
	inner_running = 1;
	sleep_for_ever();
	return 1;
}

static void start_inner_thread(int (*run)(void *), char *name) {
	thread_alive = -1;
	check(name, clone(run, stack + STACK_BYTES,
			  THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID, name, &thread_alive,
			  NULL, &thread_alive));
}

/* The first process of a namespace, pid 1 there: makes a thread and a process, and waits for them. */
static void make_inside(void) {
	outer_creator = outer_tid();
	int child = check("inner process", syscall(SYS_clone, (long)SIGCHLD, 0, 0, 0, 0));
	if (child == 0) {
		say_made_case("process", outer_creator, outer_tid(), "newpid-inner-process", SIGCHLD);
		_exit(0);
	}
	wait_for_process(child);
	start_inner_thread(inner_thread, "newpid-inner-thread");
	wait_for_thread();
}

/* The same, but it ends first: the kernel kills what is left of the namespace, and waits for that. */
static void make_inside_and_leave(void) {
	int pipe_ends[2];
	char byte = 0;
	outer_creator = outer_tid();
	if (pipe(pipe_ends) < 0)
		die("cannot make a pipe: %s", strerror(errno));
	int child = check("inner process", syscall(SYS_clone, (long)SIGCHLD, 0, 0, 0, 0));
	if (child == 0) {
		say_made_case("process", outer_creator, outer_tid(), "newpid-killed-process", SIGCHLD);
		if (write(pipe_ends[1], &byte, 1) != 1)
			_exit(98);
		for (;;)
			pause();
	}
	if (read(pipe_ends[0], &byte, 1) != 1)
		die("the inner process ended early");
	start_inner_thread(inner_sleeper, "newpid-killed-thread");
	while (!inner_running)
		sched_yield();
}

static void in_new_pid_namespace(const char *name, void (*run)(void), int by_clone3) {
	struct clone_args args = {.flags = CLONE_NEWPID, .exit_signal = SIGCHLD};
	long made = by_clone3 ? syscall(SYS_clone3, &args, sizeof args)
			      : syscall(SYS_clone, (long)CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
	int tid = check(name, made);
	if (tid == 0) {
		run();
		syscall(SYS_exit_group, 0);
	}
	say_made_case("process", my_tid(), tid, name, CLONE_NEWPID | SIGCHLD);
	wait_for_process(tid);
}

static void unseen(const char *kind, int child) {
	say("unseen %s parent %d child %d\n", kind, my_tid(), child);
}

static void make_untraced(void) {
	struct clone_args args = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
	wait_for_process(like_fork("before", SIGCHLD));

	int child = check("untraced", syscall(SYS_clone, (long)CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0));
	if (child == 0) {
		/* What nobody traces makes what nobody traces. */
		int grandchild = check("untraced", syscall(SYS_clone, (long)SIGCHLD, 0, 0, 0, 0));
		if (grandchild == 0)
			_exit(0);
		unseen("process", grandchild);
		wait_for_process(grandchild);
		_exit(0);
	}
	unseen("process", child);
	wait_for_process(child);
	wait_for_process(like_fork("between", SIGCHLD));

	child = check("untraced-clone3", syscall(SYS_clone3, &args, sizeof args));
	if (child == 0)
		_exit(0);
	unseen("process", child);
	wait_for_process(child);

	thread_alive = -1;
	child = check("untraced-thread",
		      clone(nothing, stack + STACK_BYTES,
			    THREAD | CLONE_UNTRACED | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID, NULL,
			    &thread_alive, NULL, &thread_alive));
	unseen("thread", child);
	wait_for_thread();
	on_own_stack("after", THREAD);
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

int main(int argc, char **argv) {
	const char *mode = argc > 1 ? argv[1] : "";
	if (strcmp(mode, "newpid") == 0) {
		in_new_pid_namespace("newpid", make_inside, 0);
		in_new_pid_namespace("clone3-newpid", make_inside, 1);
		in_new_pid_namespace("newpid-leaves", make_inside_and_leave, 0);
		return 0;
	}
	if (strcmp(mode, "untraced") == 0) {
		make_untraced();
		return 0;
	}
	signal(SIGUSR1, SIG_IGN); /* an exit signal below: ignored, its sender must still be reaped */
	on_own_stack("thread", THREAD);
	on_own_stack("thread-vfork", THREAD | CLONE_VFORK);
	on_own_stack("shared-memory", CLONE_VM | SIGCHLD);
	on_own_stack("shared-memory-vfork", CLONE_VM | CLONE_VFORK | SIGCHLD);
	wait_for_process(like_fork("fork-like", SIGCHLD));
	wait_for_process(like_fork("exit-signal-none", 0));
	wait_for_process(like_fork("exit-signal-usr1", SIGUSR1));
	wait_for_process(like_fork("vfork-like", CLONE_VFORK | SIGCHLD));
	/* Only CLONE_PTRACE's creator may have a tracer; without one it means nothing. */
	wait_for_process(like_fork("ptrace", CLONE_PTRACE | SIGCHLD));
	on_own_stack("ptrace-thread", THREAD | CLONE_PTRACE);
	clone_parent("parent-middle", "parent", 0);
	clone_parent("clone3-parent-middle", "clone3-parent", 1);
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
