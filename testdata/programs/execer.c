/* An exec from a thread that is not the leader: all other threads go, and it takes the leader's TID.
 *
 *     execer SIBLINGS
 *
 * Starts SIBLINGS sleeping threads and one more, which prints
 *     before pid <pid> exec-tid <tid>
 * and executes this program with the argument `after`; that prints
 *     after pid <pid> tid <tid>
 * and exits with 7.
 */
#define _GNU_SOURCE
#include "say.h"

static long siblings, siblings_running;

static void *sibling(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	__atomic_add_fetch(&siblings_running, 1, __ATOMIC_SEQ_CST);
	sleep_for_ever();
	return NULL;
}

static void *replace(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	while (__atomic_load_n(&siblings_running, __ATOMIC_SEQ_CST) < siblings)
		sleep_ms(1);
	say("before pid %d exec-tid %d\n", getpid(), my_tid());
	execl(own_path(), "execer", "after", (char *)NULL);
	die("cannot exec: %s", strerror(errno));
}

int main(int argc, char **argv) {
	if (argc > 1 && strcmp(argv[1], "after") == 0) {
		say("after pid %d tid %d\n", getpid(), my_tid());
		return 7;
	}
	siblings = number_arg(argc, argv, 1, 0, 3);
	void *self = as_arg(my_tid());
	for (long i = 0; i < siblings; i++)
		start_thread(sibling, self, 1);
	start_thread(replace, self, 1);
	sleep_for_ever();
}
