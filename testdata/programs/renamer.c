/* A process that renames itself when told.
 *
 *     renamer
 *
 * Prints `ready <pid>`. At the first SIGUSR1 it calls itself `second`, at the next `third`, and prints
 * `named <name>` each time. SIGTERM ends it with 0.
 */
#define _GNU_SOURCE
#include "say.h"
#include <signal.h>
#include <sys/prctl.h>

int main(void) {
	static const char *const names[] = {"second", "third"};
	size_t next = 0;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	say("ready %d\n", getpid());
	for (;;) {
		int signal = 0;
		sigwait(&set, &signal);
		if (signal == SIGTERM)
			return 0;
		if (next < sizeof names / sizeof *names) {
			prctl(PR_SET_NAME, names[next]);
			say("named %s\n", names[next++]);
		}
	}
}
