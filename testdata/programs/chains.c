/* Chains of threads: each thread starts its successor and exits. The hardest target to attach
 * to, because at any moment the threads that exist are about to be others. It also uses TIDs up
 * quickly, so that they come again.
 *
 *     chains CHAINS SECONDS [LINKS]
 *
 * Each chain ends after SECONDS, or after LINKS threads if LINKS is not 0, or at SIGUSR1, whichever is
 * first.
 * A link waits until the kernel has cleared away the one BEHIND places before it. Else a chain makes
 * threads faster than a busy machine ends them, and takes every TID that there is.
 * Prints `ready <pid>` once all chains run, then `made` lines (to LOG if set), then
 *     links <threads made in all>
 */
#define _GNU_SOURCE
#include "say.h"
#include <signal.h>

#define BEHIND 4

struct chain {
	long links;
	int creator;        /* the TID that starts the next link */
	int before[BEHIND]; /* the TIDs of the last links: number n at n % BEHIND */
};

static uint64_t deadline;
static long limit, chains_left, chains_running;
static volatile sig_atomic_t told_to_end;

static void on_end(int number) {
	(void)number;
	told_to_end = 1;
}

static void *link_of(void *arg) {
	struct chain *chain = arg;
	int self = my_tid();
	say_made("thread", chain->creator, self);
	if (++chain->links == 1)
		__atomic_add_fetch(&chains_running, 1, __ATOMIC_SEQ_CST);
	int *oldest = &chain->before[chain->links % BEHIND];
	while (*oldest && syscall(SYS_tgkill, getpid(), *oldest, 0) == 0)
		sched_yield();
	*oldest = self;
	if (!told_to_end && now_ns() < deadline && (!limit || chain->links < limit)) {
		chain->creator = self;
		start_thread(link_of, chain, 1);
	} else {
		__atomic_sub_fetch(&chains_left, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

int main(int argc, char **argv) {
	long count = number_arg(argc, argv, 1, 1, 4);
	deadline = now_ns() + (uint64_t)number_arg(argc, argv, 2, 0, 1) * 1000000000u;
	limit = number_arg(argc, argv, 3, 0, 0);
	struct chain *chains = calloc((size_t)count, sizeof *chains);
	struct sigaction end = {.sa_handler = on_end, .sa_flags = SA_RESTART};
	sigaction(SIGUSR1, &end, NULL);

	chains_left = count;
	for (long i = 0; i < count; i++) {
		chains[i].creator = my_tid();
		start_thread(link_of, &chains[i], 1);
	}
	while (__atomic_load_n(&chains_running, __ATOMIC_SEQ_CST) < count)
		sleep_ms(1);
	say("ready %d\n", getpid());
	while (__atomic_load_n(&chains_left, __ATOMIC_SEQ_CST) > 0)
		sleep_ms(1);
	long links = 0;
	for (long i = 0; i < count; i++)
		links += chains[i].links;
	say("links %ld\n", links);
	return 0;
}
