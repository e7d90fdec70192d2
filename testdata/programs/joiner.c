/* Creates and joins threads, one after the other: the loop that benchmarks time.
 *
 *     joiner COUNT [IDLE]
 *
 * IDLE threads are started first and do nothing. Prints one line at the end:
 *     loop_ns <ns for all> per_thread_ns <ns for one>
 * `made` lines only with LOG: without it nothing but create and join is in the loop.
 */
#define _GNU_SOURCE
#include "say.h"

static long idle_running;

static void *idle(void *creator) {
	say_made_if_log("thread", (int)from_arg(creator), my_tid());
	__atomic_add_fetch(&idle_running, 1, __ATOMIC_SEQ_CST);
	sleep_for_ever();
	return NULL;
}

static void *logged(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	return NULL;
}

static void *nothing(void *arg) { return arg; }

int main(int argc, char **argv) {
	long count = number_arg(argc, argv, 1, 0, 1000);
	long idles = number_arg(argc, argv, 2, 0, 0);
	void *self = as_arg(my_tid());

	for (long i = 0; i < idles; i++)
		start_thread(idle, self, 1);
	while (__atomic_load_n(&idle_running, __ATOMIC_SEQ_CST) < idles)
		sleep_ms(1);

	void *(*run)(void *) = say_log ? logged : nothing;
	uint64_t start = now_ns();
	for (long i = 0; i < count; i++) {
		pthread_t thread;
		int error = pthread_create(&thread, NULL, run, self);
		if (error)
			die("cannot create a thread: %s", strerror(error));
		pthread_join(thread, NULL);
	}
	uint64_t loop = now_ns() - start;
	say("loop_ns %llu per_thread_ns %llu\n", (unsigned long long)loop,
	    (unsigned long long)(count ? loop / (uint64_t)count : 0));
	return 0;
}
