/* Creates threads from known places, and says nothing: what its call stacks must be stands here.
 *
 *   sites [plain|deep|handler|refused]
 *
 * A line that ends in "site NAME" is the one that a stack must name, in the function above it.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int keep; /* No call is a tail call. */

__attribute__((noinline)) void *count_beans(void *argument)
{
	return argument;
}

__attribute__((noinline)) void *sort_mail(void *argument)
{
	return argument;
}

__attribute__((noinline)) int start_counter(void)
{
	pthread_t thread;
	int result = pthread_create(&thread, NULL, count_beans, NULL); /* site counter */
	if (result == 0)
		pthread_join(thread, NULL);
	keep = result;
	return result;
}

__attribute__((noinline)) int start_sorter(void)
{
	pthread_t thread;
	int result = pthread_create(&thread, NULL, sort_mail, NULL); /* site sorter */
	if (result == 0)
		pthread_join(thread, NULL);
	keep = result;
	return result;
}

__attribute__((noinline)) int start_child(void)
{
	pid_t child = fork(); /* site child */
	if (child == 0)
		_exit(0);
	keep = waitpid(child, NULL, 0);
	return 0;
}

__attribute__((noinline)) int serve(void)
{
	int result = start_counter();
	result += start_sorter();
	result += start_child();
	keep = result;
	return result;
}

__attribute__((noinline)) int dig(int depth)
{
	volatile char room[200];
	memset((char *)room, depth, sizeof(room));
	int result = depth > 0 ? dig(depth - 1) : start_counter();
	keep = room[depth % sizeof(room)];
	return result;
}

static void on_signal(int number)
{
	keep = number;
	start_counter();
	keep = number;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "plain";
	int result = 0;
	if (strcmp(what, "plain") == 0) {
		result = serve();
	} else if (strcmp(what, "deep") == 0) {
		for (int round = 0; round < 3; round++) {
			result += dig(150);
			usleep(300000);
		}
	} else if (strcmp(what, "handler") == 0) {
		signal(SIGUSR1, on_signal);
		raise(SIGUSR1);
	} else if (strcmp(what, "refused") == 0) {
		struct rlimit none = {1, 1};
		if (setgid(65534) != 0 || setuid(65534) != 0 || setrlimit(RLIMIT_NPROC, &none) != 0)
			return 2;
		result = start_sorter() == 0;
	} else {
		return 2;
	}
	keep = result;
	return result;
}
