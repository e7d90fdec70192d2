/* Many threads that do nothing: what attaching costs, and whether waiting scales.
 *
 *     sleeper COUNT
 *
 * Prints `ready <pid>` when COUNT threads besides the main one run, and ends with 0 on SIGTERM.
 * `made` lines only with LOG. Works for 10,000 threads: 64 KiB stacks, one mapping each.
 */
#define _GNU_SOURCE
#include "say.h"
#include <signal.h>

static long running;

static void end(int signal) {
	(void)signal;
	_exit(0);
}

static void *idle(void *creator) {
	say_made_if_log("thread", (int)from_arg(creator), my_tid());
	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	sleep_for_ever();
	return NULL;
}

int main(int argc, char **argv) {
	long count = number_arg(argc, argv, 1, 0, 10);
	signal(SIGTERM, end);
	for (long i = 0; i < count; i++)
		start_thread(idle, as_arg(my_tid()), 1);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < count)
		sleep_ms(1);
	say("ready %d\n", getpid());
	sleep_for_ever();
}
