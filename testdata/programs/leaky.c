/* Twenty honest places that start threads, and three that leak them.
 *
 *   leaky SECONDS
 *
 * Prints, for each leaking place, its function and how many threads it has left, and waits at the
 * end until it is told to go on (a line on stdin).
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile int keep;
static pthread_barrier_t never;

static void *work(void *argument)
{
	usleep(2000);
	return argument;
}

static void *stay(void *argument)
{
	pthread_barrier_wait(&never);
	return argument;
}

/* In the place that uses it: a function would be the place of all. */
#define START(thread, routine)                                                                     \
	do {                                                                                       \
		if (pthread_create(&(thread), NULL, routine, NULL) != 0)                           \
			exit(3);                                                                   \
	} while (0)

/* Honest: it waits for what it started. */
#define HONEST(name)                                                                               \
	__attribute__((noinline)) void honest_##name(void)                                         \
	{                                                                                          \
		pthread_t thread;                                                                  \
		START(thread, work);                                                               \
		pthread_join(thread, NULL);                                                        \
		keep++;                                                                            \
	}
HONEST(a) HONEST(b) HONEST(c) HONEST(d) HONEST(e) HONEST(f) HONEST(g) HONEST(h) HONEST(i)
HONEST(j) HONEST(k) HONEST(l) HONEST(m) HONEST(n) HONEST(o) HONEST(p) HONEST(q) HONEST(r)

/* Honest: a pool of eight, made once. */
__attribute__((noinline)) void pool(void)
{
	for (int index = 0; index < 8; index++) {
		pthread_t thread;
		START(thread, stay);
		pthread_detach(thread);
	}
	keep++;
}

/* Honest: one that lives as long as the program. */
__attribute__((noinline)) void clock_keeper(void)
{
	pthread_t thread;
	START(thread, stay);
	pthread_detach(thread);
	keep++;
}

static int left[3];

__attribute__((noinline)) void leak_each_time(void)
{
	pthread_t thread;
	START(thread, stay); /* site leak_each_time */
	pthread_detach(thread);
	left[0]++;
}

__attribute__((noinline)) void leak_some(void)
{
	pthread_t thread;
	START(thread, stay); /* site leak_some */
	pthread_detach(thread);
	left[1]++;
}

__attribute__((noinline)) void leak_slowly(void)
{
	pthread_t thread;
	START(thread, stay); /* site leak_slowly */
	pthread_detach(thread);
	left[2]++;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 3;
	void (*honest[])(void) = {honest_a, honest_b, honest_c, honest_d, honest_e, honest_f,
				  honest_g, honest_h, honest_i, honest_j, honest_k, honest_l,
				  honest_m, honest_n, honest_o, honest_p, honest_q, honest_r};
	struct timespec begin, now;
	pthread_barrier_init(&never, NULL, 2000000);
	pool();
	clock_keeper();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int round = 0;; round++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		double passed = (double)(now.tv_sec - begin.tv_sec) + (now.tv_nsec - begin.tv_nsec) / 1e9;
		if (passed > seconds)
			break;
		honest[round % 18]();
		if (round % 4 == 0)
			leak_each_time();
		if (round % 8 == 0)
			leak_some();
		if (passed * 12 / seconds > left[2] + 1)
			leak_slowly();
	}
	printf("leak_each_time %d\nleak_some %d\nleak_slowly %d\n", left[0], left[1], left[2]);
	fflush(stdout);
	return getchar() == EOF;
}
