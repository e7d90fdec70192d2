/* Loops that a recorder may slow down. Each prints `loop_ns <ns> cpu_ns <ns>`: the loop's time, and what the
 * process and its children have used of a processor.
 *
 *     loops forks COUNT      forks, and waits for the child, which ends at once
 *     loops threads COUNT    creates a thread and joins it
 *     loops signals COUNT    computes, while a timer sends it a signal every 100 us; COUNT of them
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t signals;

static void on_signal(int number) {
	(void)number;
	signals++;
}

static void *nothing(void *arg) { return arg; }

static uint64_t ns(struct timeval time) { return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u; }

static uint64_t cpu_ns(void) {
	struct rusage own, children;
	getrusage(RUSAGE_SELF, &own);
	getrusage(RUSAGE_CHILDREN, &children);
	return ns(own.ru_utime) + ns(own.ru_stime) + ns(children.ru_utime) + ns(children.ru_stime);
}

static uint64_t now_ns(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void forks(long count) {
	for (long i = 0; i < count; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			exit(1);
	}
}

static void threads(long count) {
	for (long i = 0; i < count; i++) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
			exit(1);
	}
}

/* As much work as can be done between COUNT signals when nobody looks on: 100 us each. */
static void compute(long count) {
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct itimerval every = {{0, 100}, {0, 100}};
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	volatile uint64_t sum = 0;
	for (long i = 0; i < count * 40000; i++)
		sum += (uint64_t)i;
}

int main(int argc, char **argv) {
	const char *what = argc > 2 ? argv[1] : "";
	long count = argc > 2 ? atol(argv[2]) : 0;
	uint64_t start = now_ns();
	if (strcmp(what, "forks") == 0)
		forks(count);
	else if (strcmp(what, "threads") == 0)
		threads(count);
	else if (strcmp(what, "signals") == 0)
		compute(count);
	else
		return 2;
	uint64_t loop_ns = now_ns() - start;
	printf("loop_ns %llu cpu_ns %llu signals %d\n", (unsigned long long)loop_ns, (unsigned long long)cpu_ns(), (int)signals);
	return 0;
}
