/* What plughost loads while it is recorded: see sites.c. */
#include <pthread.h>
#include <stddef.h>

static volatile int keep;

static void *plug(void *argument)
{
	return argument;
}

__attribute__((noinline)) int plugin_run(void)
{
	pthread_t thread;
	int result = pthread_create(&thread, NULL, plug, NULL); /* site plugin */
	if (result == 0)
		pthread_join(thread, NULL);
	keep = result;
	return result;
}
