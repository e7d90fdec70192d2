/* Starts a thread every so often, as the lesson's program does: the plainest tracee.
 *
 *     interval INTERVAL_MS COUNT [LIFE_MS]
 *
 * The main thread starts COUNT threads, INTERVAL_MS apart; each lives LIFE_MS (a tenth of the
 * interval unless given: the lesson's ratio). Main and each thread print one line:
 *     process: <pid>, thread: <tid>
 * Ends with 0 after the last thread has ended. `made` lines only with LOG.
 */
#define _GNU_SOURCE
#include "say.h"

static long life_ms;

static void *thread(void *creator) {
	say_made_if_log("thread", (int)from_arg(creator), my_tid());
	say("process: %d, thread: %u\n", getpid(), (unsigned)my_tid());
	sleep_ms(life_ms);
	return NULL;
}

int main(int argc, char **argv) {
	long interval_ms = number_arg(argc, argv, 1, 0, 100);
	long count = number_arg(argc, argv, 2, 0, 10);
	life_ms = number_arg(argc, argv, 3, 0, interval_ms / 10);
	pthread_t *threads = calloc((size_t)count + 1, sizeof *threads);

	say("process: %d, thread: %u\n", getpid(), (unsigned)my_tid());
	for (long i = 0; i < count; i++) {
		sleep_ms(interval_ms);
		int error = pthread_create(&threads[i], NULL, thread, as_arg(my_tid()));
		if (error)
			die("cannot create a thread: %s", strerror(error));
	}
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
