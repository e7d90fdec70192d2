/* A process that a tracer loses without a word: a thread that no tracer is told of calls exec.
 *
 *     slipaway SECONDS
 *
 * Prints `ready <pid>`, and waits for SIGUSR1. Then a thread made with CLONE_UNTRACED executes this
 * program anew, which prints `slipped <pid>` and ends after SECONDS, or at SIGTERM.
 */
#define _GNU_SOURCE
#include "say.h"
#include <sched.h>
#include <signal.h>

static char *seconds;
static char stack[65536] __attribute__((aligned(16)));

static int replace(void *arg) {
	(void)arg;
	execl("/proc/self/exe", "slipaway", seconds, "again", (char *)NULL);
	_exit(1);
}

int main(int argc, char **argv) {
	seconds = argc > 1 ? argv[1] : "1";
	sigset_t set;
	sigemptyset(&set);
	if (argc > 2) {
		sigprocmask(SIG_SETMASK, &set, NULL);
		say("slipped %d\n", getpid());
		sleep((unsigned)atoi(seconds));
		return 0;
	}
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	say("ready %d\n", getpid());
	int number;
	sigwait(&set, &number);
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
		    CLONE_UNTRACED;
	if (clone(replace, stack + sizeof stack, flags, NULL) < 0)
		die("clone: %s", strerror(errno));
	pause();
	return 0;
}
