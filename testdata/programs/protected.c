/* A process that its own user may not trace: it is not dumpable (prctl(2)), as one that changed its
 * user is.
 *
 *     protected
 *
 * Prints `ready <pid>`, and ends with 0 on SIGTERM.
 */
#define _GNU_SOURCE
#include "say.h"
#include <signal.h>
#include <sys/prctl.h>

static void end(int signal) {
	(void)signal;
	_exit(0);
}

int main(void) {
	signal(SIGTERM, end);
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		die("cannot become undumpable: %s", strerror(errno));
	say("ready %d\n", getpid());
	sleep_for_ever();
}
