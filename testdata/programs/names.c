/* Threads that rename themselves after birth, to names that break careless parsers and terminals:
 * escape sequences, a newline, text that looks like the rest of /proc/PID/stat, cut UTF-8, nothing.
 *
 *     names MS
 *
 * Each thread renames itself at once, prints `named <tid> <name in hex, "-" for the empty one>`
 * and lives MS ms. The last one is called `first`, and after half the time `second`, with a line
 * for each. Ends with 0. `made` lines only with LOG.
 */
#define _GNU_SOURCE
#include "say.h"
#include <sys/prctl.h>

static const char *const hostile[] = {
	"\033[31mred\033[0m",
	"two\nlines",
	"",
	"a) S 1 1 (b",
	"na\xc3\xafve-\xe7\x8c\xab",          /* UTF-8 of 2 and 3 bytes */
	"0123456789abcd\xc3\xa9",             /* the kernel keeps 15 bytes: a cut character */
	"\xff\xfe\x80",                       /* no UTF-8 at all */
	"tab\tcr\rbell\a",
	"\"q\" \\ 'q' $(x)",
	"<b>&amp;</b>",
	" pid=1 comm=x",
	"\xe2\x80\xae" "right-left",          /* U+202E turns the text around */
};
#define HOSTILE (sizeof hostile / sizeof *hostile)

static long life_ms;
static int creator;

static void rename_to(const char *name) {
	char hex[40] = "-", *at = hex;
	if (prctl(PR_SET_NAME, name) < 0)
		die("cannot rename: %s", strerror(errno));
	for (int i = 0; name[i] && i < 15; i++)
		at += sprintf(at, "%02x", (unsigned char)name[i]);
	say("named %d %s\n", my_tid(), hex);
}

static void *named(void *number) {
	say_made_if_log("thread", creator, my_tid());
	if ((size_t)from_arg(number) < HOSTILE) {
		rename_to(hostile[from_arg(number)]);
		sleep_ms(life_ms);
	} else {
		rename_to("first");
		sleep_ms(life_ms / 2);
		rename_to("second");
		sleep_ms(life_ms - life_ms / 2);
	}
	return NULL;
}

int main(int argc, char **argv) {
	pthread_t threads[HOSTILE + 1];
	life_ms = number_arg(argc, argv, 1, 0, 500);
	creator = my_tid();
	for (size_t i = 0; i <= HOSTILE; i++)
		threads[i] = start_thread(named, as_arg((long)i), 0);
	for (size_t i = 0; i <= HOSTILE; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
