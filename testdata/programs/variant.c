/* Two versions of one program, by -DVARIANT=1 and -DVARIANT=2.
 *
 *   variant
 *
 * Both have a pool of four, and twelve requests one after the other. The first has a logger, that is
 * gone from the second; the second has three monitors that are new, and six of the threads of its twelve
 * requests do not end. Between the functions are others, so that no address is the same.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef VARIANT
#define VARIANT 1
#endif

static volatile int keep;
static pthread_barrier_t never;

/* One that is given something keeps it for ever. */
static void *work(void *argument)
{
	usleep(1000);
	if (argument != NULL)
		pthread_barrier_wait(&never);
	return argument;
}

static void *stay(void *argument)
{
	if (argument != NULL)
		pthread_setname_np(pthread_self(), argument);
	pthread_barrier_wait(&never);
	return argument;
}

/* In the place that uses it: a function would be the place of all. */
#define START(thread, routine, argument)                                                           \
	do {                                                                                       \
		if (pthread_create(&(thread), NULL, routine, argument) != 0)                       \
			exit(3);                                                                   \
	} while (0)

__attribute__((noinline)) void start_pool(void)
{
	static char names[4][16];
	for (int index = 0; index < 4; index++) {
		pthread_t thread;
		snprintf(names[index], sizeof names[index], "pool-%d", index + (VARIANT == 1 ? 0 : 70));
		START(thread, stay, names[index]);
		pthread_detach(thread);
	}
	keep++;
}

#if VARIANT == 2
__attribute__((noinline)) int padding(int number)
{
	return keep * number + 17;
}

__attribute__((noinline)) void start_monitors(void)
{
	for (int index = 0; index < 3; index++) {
		pthread_t thread;
		START(thread, stay, "monitor");
		pthread_detach(thread);
	}
	keep += padding(3);
}
#endif

__attribute__((noinline)) void handle_request(int number)
{
	pthread_t thread;
	/* The second version forgets to end half of them. */
	void *leaks = VARIANT == 2 && number % 2 == 0 ? &thread : NULL;
	START(thread, work, leaks);
	if (leaks == NULL)
		pthread_join(thread, NULL);
	else
		pthread_detach(thread);
	keep++;
}

#if VARIANT == 1
__attribute__((noinline)) void start_log(void)
{
	pthread_t thread;
	START(thread, stay, "logger");
	pthread_detach(thread);
	keep++;
}
#endif

int main(void)
{
	pthread_barrier_init(&never, NULL, 2000000);
	start_pool();
#if VARIANT == 1
	start_log();
#else
	start_monitors();
#endif
	for (int number = 0; number < 12; number++)
		handle_request(number);
	/* Long enough for what ended to have ended before the program does. */
	usleep(400000);
	puts("done");
	return 0;
}
