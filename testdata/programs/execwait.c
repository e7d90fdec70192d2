/* An exec by a thread other than the leader, at a moment of the caller's choice.
 *
 *     execwait SIBLINGS
 *
 * Starts SIBLINGS sleeping threads and one more, and prints `ready <pid>`. On SIGUSR1 that one prints
 *     before pid <pid> exec-tid <tid>
 * and executes this program with the argument `after`, which prints
 *     after pid <pid> tid <tid>
 * and exits with 7. `made` lines.
 */
#define _GNU_SOURCE
#include "say.h"
#include <signal.h>

static long running;
static sigset_t set;

static void *sibling(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	sleep_for_ever();
	return NULL;
}

static void *replace(void *creator) {
	int signal;
	say_made("thread", (int)from_arg(creator), my_tid());
	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	sigwait(&set, &signal);
	say("before pid %d exec-tid %d\n", getpid(), my_tid());
	execl(own_path(), "execwait", "after", (char *)NULL);
	die("cannot exec: %s", strerror(errno));
}

int main(int argc, char **argv) {
	if (argc > 1 && strcmp(argv[1], "after") == 0) {
		say("after pid %d tid %d\n", getpid(), my_tid());
		return 7;
	}
	long siblings = number_arg(argc, argv, 1, 0, 3);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (long i = 0; i < siblings; i++)
		start_thread(sibling, as_arg(my_tid()), 1);
	start_thread(replace, as_arg(my_tid()), 1);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < siblings + 1)
		sleep_ms(1);
	say("ready %d\n", getpid());
	sleep_for_ever();
}
