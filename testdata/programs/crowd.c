/* Threads in all that a thread may be at when a recorder wants to let it go.
 *
 *     crowd SLEEPING RUNNING VFORKING
 *
 * So many threads sleep, so many compute, and so many are in vfork(2): no signal wakes one until its
 * child, which waits for this process's end, execs or ends. Prints `ready <pid>` when all do; ends
 * with 0 on SIGTERM.
 */
#define _GNU_SOURCE
#include "say.h"
#include <signal.h>

static long running;
static int alive[2]; /* a pipe that nobody writes to: at the process's end it reads as closed */

static void end(int signal) {
	(void)signal;
	_exit(0);
}

static void is_running(void) { __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST); }

static void *sleeping(void *arg) {
	is_running();
	sleep_for_ever();
	return arg;
}

static void *computing(void *arg) {
	is_running();
	for (volatile long n = 0;; n++)
		;
	return arg;
}

/* In the child of vfork, whose memory is the parent's and whose descriptors are not. */
static void wait_for_the_parents_end(void) {
	char byte;
	is_running();
	close(alive[1]);
	while (read(alive[0], &byte, 1) < 0)
		;
	_exit(0);
}

static void *vforking(void *arg) {
	pid_t child = vfork();
	if (child == 0)
		wait_for_the_parents_end();
	die("vfork returned in the parent");
	return arg;
}

static void start(long count, void *(*run)(void *)) {
	for (long i = 0; i < count; i++)
		start_thread(run, NULL, 1);
}

int main(int argc, char **argv) {
	long sleeping_count = number_arg(argc, argv, 1, 0, 10);
	long running_count = number_arg(argc, argv, 2, 0, 1);
	long vforking_count = number_arg(argc, argv, 3, 0, 1);
	signal(SIGTERM, end);
	if (pipe(alive) < 0)
		die("cannot make a pipe: %s", strerror(errno));
	start(vforking_count, vforking);
	start(sleeping_count, sleeping);
	start(running_count, computing);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) <
	       sleeping_count + running_count + vforking_count)
		sleep_ms(1);
	say("ready %d\n", getpid());
	sleep_for_ever();
}
