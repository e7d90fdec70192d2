/* A crowd of threads, one of which executes this program again, for a while. An attach that has
 * seized some of them when the exec begins waits for the exec, and the exec for the attach: the
 * situation of the kernel's own ptrace selftest `vmaccess`.
 *
 *     execloop MS SIBLINGS
 *
 * Prints `ready <pid>` at the first start, and `end pid <pid>` after MS ms; ends with 0.
 */
#define _GNU_SOURCE
#include "say.h"

static char end_text[32], siblings_text[24];

static void *sibling(void *arg) {
	sleep_for_ever();
	return arg;
}

static void *replace(void *arg) {
	(void)arg;
	execl(own_path(), "execloop", "until", siblings_text, end_text, (char *)NULL);
	die("cannot exec: %s", strerror(errno));
}

int main(int argc, char **argv) {
	uint64_t end;
	long siblings = number_arg(argc, argv, 2, 0, 50);
	if (argc > 3 && strcmp(argv[1], "until") == 0) {
		end = strtoull(argv[3], NULL, 10);
	} else {
		end = now_ns() + (uint64_t)number_arg(argc, argv, 1, 0, 1000) * 1000000u;
		say("ready %d\n", getpid());
	}
	if (now_ns() >= end) {
		say("end pid %d\n", getpid());
		return 0;
	}
	snprintf(end_text, sizeof end_text, "%llu", (unsigned long long)end);
	snprintf(siblings_text, sizeof siblings_text, "%ld", siblings);
	for (long i = 0; i < siblings; i++)
		start_thread(sibling, NULL, 1);
	start_thread(replace, NULL, 1);
	sleep_for_ever();
}
