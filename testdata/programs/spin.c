/* Busy threads: plain load.
 *
 *     spin COUNT MS
 *
 * COUNT threads compute for MS ms; `ready <pid>` is printed when all run. Ends with 0.
 * `made` lines only with LOG.
 */
#define _GNU_SOURCE
#include "say.h"

static long running;
static uint64_t life_ns;
static int creator;

static void *busy(void *arg) {
	say_made_if_log("thread", creator, my_tid());
	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	uint64_t end = now_ns() + life_ns;
	while (now_ns() < end)
		;
	return arg;
}

int main(int argc, char **argv) {
	long count = number_arg(argc, argv, 1, 1, 2);
	life_ns = (uint64_t)number_arg(argc, argv, 2, 0, 500) * 1000000u;
	creator = my_tid();
	pthread_t *threads = calloc((size_t)count, sizeof *threads);
	for (long i = 0; i < count; i++)
		threads[i] = start_thread(busy, NULL, 0);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < count)
		sleep_ms(1);
	say("ready %d\n", getpid());
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
