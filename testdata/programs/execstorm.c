/* A process that executes itself again and again, in turn from its leader and from another thread.
 *
 *     execstorm COUNT [SIBLINGS]
 *
 * Before each exec, SIBLINGS threads (1 unless given) are alive besides those two. After COUNT
 * execs it prints `end pid <pid> execs <COUNT>` and ends with 0. `made` lines.
 */
#define _GNU_SOURCE
#include "say.h"

static char left_text[24], siblings_text[24], total_text[24];
static long running;

static void replace(void) {
	execl(own_path(), "execstorm", left_text, siblings_text, total_text, (char *)NULL);
	die("cannot exec: %s", strerror(errno));
}

static void *sibling(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	sleep_for_ever();
	return NULL;
}

static void *replacer(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	replace();
	return NULL;
}

int main(int argc, char **argv) {
	long left = number_arg(argc, argv, 1, 0, 10);
	long siblings = number_arg(argc, argv, 2, 0, 1);
	long total = number_arg(argc, argv, 3, 0, left); /* an inner run's argument */
	if (left == 0) {
		say("end pid %d execs %ld\n", getpid(), total);
		return 0;
	}
	snprintf(left_text, sizeof left_text, "%ld", left - 1);
	snprintf(siblings_text, sizeof siblings_text, "%ld", siblings);
	snprintf(total_text, sizeof total_text, "%ld", total);
	for (long i = 0; i < siblings; i++)
		start_thread(sibling, as_arg(my_tid()), 1);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < siblings)
		sleep_ms(1);
	if (left % 2 == 0)
		replace();
	start_thread(replacer, as_arg(my_tid()), 1);
	sleep_for_ever();
}
