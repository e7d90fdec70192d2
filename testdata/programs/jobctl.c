/* Ticks from three threads: a process that SIGSTOP has stopped prints nothing until SIGCONT.
 *
 *     jobctl
 *
 * Each of three threads prints `tick <0|1|2> <number>` every 50 ms, numbers from 1. SIGTERM ends
 * the process with 0. `made` lines only with LOG.
 */
#define _GNU_SOURCE
#include "say.h"
#include <signal.h>

static int creator;

static void end(int signal) {
	(void)signal;
	_exit(0);
}

static void *ticker(void *number) {
	say_made_if_log("thread", creator, my_tid());
	for (long tick = 1;; tick++) {
		say("tick %ld %ld\n", from_arg(number), tick);
		sleep_ms(50);
	}
	return NULL;
}

int main(void) {
	signal(SIGTERM, end);
	creator = my_tid();
	for (long i = 0; i < 3; i++)
		start_thread(ticker, as_arg(i), 1);
	sleep_for_ever();
}
