/* The ways a process ends while other threads live.
 *
 *     exits CASE THREADS [CODE]
 *
 * THREADS other threads are alive (asleep) when it happens. CODE is 0 unless given.
 *     return             main returns CODE
 *     leader-first       main calls pthread_exit; the others end 200 ms later; the code is 0
 *     group-from-thread  a further thread calls exit_group(CODE)
 *     thread-exit        a further thread calls the system call exit(CODE), alone; main then returns 0
 *     abort              main calls abort: SIGABRT
 *     term               main raises SIGTERM
 *     segv               main writes through a null pointer: SIGSEGV
 *     kill               main kills the process with SIGKILL
 * No core is dumped. `made` lines; the further thread of two cases is among them.
 */
#define _GNU_SOURCE
#include "say.h"
#include <signal.h>
#include <sys/resource.h>

static long running, code;
static const char *how;

static int is(const char *name) { return strcmp(how, name) == 0; }

static void *other(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	if (is("leader-first")) {
		sleep_ms(200);
		return NULL;
	}
	sleep_for_ever();
	return NULL;
}

static void *ender(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	/* Only exit_group ends the process: the system call exit ends one thread. */
	syscall(is("thread-exit") ? SYS_exit : SYS_exit_group, code);
	return NULL;
}

int main(int argc, char **argv) {
	how = argc > 1 ? argv[1] : "return";
	long threads = number_arg(argc, argv, 2, 0, 2);
	code = number_arg(argc, argv, 3, 0, 0);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});

	for (long i = 0; i < threads; i++)
		start_thread(other, as_arg(my_tid()), 1);
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < threads)
		sleep_ms(1);

	if (is("return"))
		return (int)code;
	if (is("leader-first"))
		pthread_exit(NULL);
	if (is("group-from-thread"))
		pthread_join(start_thread(ender, as_arg(my_tid()), 0), NULL);
	if (is("thread-exit")) {
		pthread_join(start_thread(ender, as_arg(my_tid()), 0), NULL);
		return 0;
	}
	if (is("abort"))
		abort();
	if (is("term"))
		raise(SIGTERM);
	if (is("segv"))
		*(volatile int *)as_arg(0) = 1;
	if (is("kill"))
		kill(getpid(), SIGKILL);
	die("unknown case \"%s\"", how);
}
