/* A process that forks when told, and what each side does afterwards when told: for recorders
 * that follow one side of a fork.
 *
 *     pair [THREADS]
 *
 * THREADS threads (0 unless given) sleep in the first process. It prints `ready <pid>`, and forks at
 * the first SIGUSR1; the child prints `forked <pid>`. At each later SIGUSR1, and the child at each, it
 * starts and joins a thread and
 * prints `threaded <pid>`. SIGTERM ends the child with 3, and the first process, which then prints
 * `child ended with <code>`, with 5. `made` lines.
 */
#define _GNU_SOURCE
#include "say.h"
#include <signal.h>
#include <sys/wait.h>

static long running;

static void *idle(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	sleep_for_ever();
	return NULL;
}

static void *short_lived(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	return NULL;
}

int main(int argc, char **argv) {
	long threads = number_arg(argc, argv, 1, 0, 0);
	pid_t child = -1; /* no fork yet */
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (long i = 0; i < threads; i++)
		start_thread(idle, as_arg(my_tid()), 1);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < threads)
		sleep_ms(1);
	say("ready %d\n", getpid());
	for (;;) {
		int signal = 0;
		sigwait(&set, &signal);
		if (signal == SIGTERM)
			break;
		if (child >= 0) {
			pthread_join(start_thread(short_lived, as_arg(my_tid()), 0), NULL);
			say("threaded %d\n", getpid());
			continue;
		}
		int self = my_tid();
		child = fork();
		if (child < 0)
			die("cannot fork: %s", strerror(errno));
		if (child > 0)
			say_made("process", self, child);
		else
			say("forked %d\n", getpid());
	}
	if (child == 0)
		return 3;
	int status = 0;
	if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status))
		say("child ended with %d\n", WEXITSTATUS(status));
	return 5;
}
