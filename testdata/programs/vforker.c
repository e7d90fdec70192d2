/* Children by vfork and exec, and by posix_spawn: the parent stands still until the exec.
 *
 *     vforker COUNT
 *
 * Makes COUNT children by vfork and then COUNT by posix_spawn. Each runs this program again with
 * the argument `child`, which ends at once with 0. One after the other; all are waited for.
 */
#define _GNU_SOURCE
#include "say.h"
#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static void finish(int child) {
	int status;
	say_made("process", my_tid(), child);
	if (waitpid(child, &status, 0) != child || status != 0)
		die("child %d: status 0x%x", child, (unsigned)status);
}

/* In a function of its own, so that the child of vfork shares no variable that main still uses. */
static pid_t vfork_exec(const char *path, char *const *args) {
	pid_t child = vfork();
	if (child == 0) {
		execv(path, args);
		_exit(97);
	}
	if (child < 0)
		die("cannot vfork: %s", strerror(errno));
	return child;
}

static pid_t spawn(const char *path, char *const *args) {
	pid_t child;
	int error = posix_spawn(&child, path, NULL, NULL, args, environ);
	if (error)
		die("cannot spawn: %s", strerror(error));
	return child;
}

int main(int argc, char **argv) {
	if (argc > 1 && strcmp(argv[1], "child") == 0)
		return 0;
	long count = number_arg(argc, argv, 1, 0, 3);
	const char *path = own_path();
	char *const args[] = {argv[0], (char[]){"child"}, NULL};

	for (long i = 0; i < count; i++)
		finish(vfork_exec(path, args));
	for (long i = 0; i < count; i++)
		finish(spawn(path, args));
	return 0;
}
