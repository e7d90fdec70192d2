/* Threads and processes in turn, one after the other: where TIDs are few, each is used again and
 * again, by either.
 *
 *     turns COUNT
 *
 * After each hundred the turn goes over: else, where as many TIDs are free as a multiple of the three
 * creations of a turn of both, each would be the same kind's every time.
 *
 * Prints `ready <pid>`, then COUNT `made` lines. Each process makes and joins a thread, of which there
 * is a `made` line, too. All are waited for.
 */
#define _GNU_SOURCE
#include "say.h"
#include <sys/wait.h>

static void *logged(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	return NULL;
}

static void one_thread(void) {
	pthread_join(start_thread(logged, as_arg(my_tid()), 0), NULL);
}

static void one_process(void) {
	int self = my_tid();
	pid_t child = fork();
	for (int i = 0; child < 0 && errno == EAGAIN && i < 10000; i++) { /* as in start_thread */
		sleep_ms(1);
		child = fork();
	}
	if (child < 0)
		die("cannot fork: %s", strerror(errno));
	if (child == 0) {
		say_made("process", self, my_tid());
		one_thread();
		_exit(0);
	}
	int status;
	if (waitpid(child, &status, 0) != child || status != 0)
		die("child %d: status 0x%x", child, (unsigned)status);
}

int main(int argc, char **argv) {
	long count = number_arg(argc, argv, 1, 0, 100);
	say("ready %d\n", getpid());
	for (long i = 0; i < count; i++)
		(i + i / 100) % 2 ? one_process() : one_thread();
	return 0;
}
