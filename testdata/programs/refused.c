/* Creations that the kernel refuses, between some that succeed.
 *
 *     refused flags THREADS ROUNDS    wrong flags, sizes and addresses, as nobody; in THREADS threads
 *     refused signals ROUNDS          the same in one thread that a timer's signal interrupts all along
 *     refused limit PROCESSES         as a user with that RLIMIT_NPROC: threads and forks until EAGAIN
 *     refused cgroup FOLDER           the same in a cgroup with a small pids.max
 *     refused space                   RLIMIT_AS: pthread_create fails, but no clone does
 *     refused wait                    prints `ready <pid>`; at each SIGUSR1 a thread and a fork, and
 *                                     `tried <errno of the thread> <errno of the fork>`
 *
 * Prints `made` lines, and for each refusal, in one write,
 *
 *     refused <call> tid <tid> errno <number> flags 0x<hex>
 *
 * with the call's name, or `any` where the C library chose it (flags are 0 then).
 */
#define _GNU_SOURCE
#include "say.h"
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#define SOMEBODY 54321 /* a uid that nobody else has */
/* RLIMIT_NPROC counts all of a user's: one for each run. */
#define NOBODY_ELSE (100000 + (uid_t)getpid())

static long rounds = 1;

static void refused(const char *call, int error, unsigned long flags) {
	char line[200], *at = line;
	at = say_text(at, "refused ");
	at = say_text(at, call);
	at = say_text(at, " tid ");
	at = say_number(at, (unsigned long)my_tid(), 10);
	at = say_text(at, " errno ");
	at = say_number(at, (unsigned long)error, 10);
	at = say_text(at, " flags 0x");
	at = say_number(at, flags, 16);
	*at++ = '\n';
	while (write(say_fd, line, (size_t)(at - line)) < 0)
		if (errno != EINTR)
			_exit(98);
}

static void must_fail(const char *call, long result, unsigned long flags) {
	if (result >= 0)
		die("%s succeeded", call);
	refused(call, errno, flags);
}

static void clone3_fails(struct clone_args *args, size_t size, unsigned long flags) {
	must_fail("clone3", syscall(SYS_clone3, args, size), flags);
}

static int wait_for(int child) {
	int status, reaped;
	do
		reaped = waitpid(child, &status, __WALL);
	while (reaped < 0 && errno == EINTR);
	return reaped == child ? status : -1;
}

static void fork_succeeds(void) {
	int child = (int)syscall(SYS_clone, (long)SIGCHLD, 0, 0, 0, 0);
	if (child < 0)
		die("clone: %s", strerror(errno));
	if (child == 0)
		_exit(3);
	say_made("process", my_tid(), child);
	if (wait_for(child) != 3 << 8)
		die("child %d", child);
}

static void *wrong(void *none) {
	for (long i = 0; i < rounds; i++) {
		must_fail("clone", syscall(SYS_clone, (long)(CLONE_THREAD | SIGCHLD), 0, 0, 0, 0),
			  CLONE_THREAD | SIGCHLD);
		fork_succeeds();
		must_fail("clone", syscall(SYS_clone, (long)(CLONE_NEWPID | SIGCHLD), 0, 0, 0, 0),
			  CLONE_NEWPID | SIGCHLD);
		struct clone_args args = {.flags = CLONE_SIGHAND, .exit_signal = SIGUSR1};
		clone3_fails(&args, sizeof args, CLONE_SIGHAND | SIGUSR1);
		args.flags = CLONE_NEWPID;
		clone3_fails(&args, sizeof args, CLONE_NEWPID | SIGUSR1);
		clone3_fails(&args, 8, 0);	 /* too short: there are no flags */
		clone3_fails((void *)8, 64, 0); /* cannot be read: there are none either */
	}
	return none;
}

static void *wrong_in_thread(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	return wrong(NULL);
}

static void become(uid_t uid) {
	if (geteuid() == 0 && (setgroups(0, NULL) || setresuid(uid, uid, uid)))
		die("cannot become uid %u: %s", (unsigned)uid, strerror(errno));
}

static void *idle(void *none) {
	sleep_for_ever();
	return none;
}

static long created, told;

static void *named_idle(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	__atomic_add_fetch(&told, 1, __ATOMIC_SEQ_CST);
	return idle(NULL);
}

static int try_thread(void *(*run)(void *)) {
	pthread_t thread;
	return pthread_create(&thread, NULL, run, as_arg(my_tid()));
}

static int try_fork(void) {
	int child = fork();
	if (child == 0)
		_exit(3);
	if (child < 0)
		return errno;
	wait_for(child);
	return 0;
}

/* Threads until there is no room for one more, each of which has told of itself. */
static int fill(void) {
	int error;
	while ((error = try_thread(named_idle)) == 0)
		created++;
	while (__atomic_load_n(&told, __ATOMIC_SEQ_CST) < created)
		sleep_ms(1);
	return error;
}

/* That, and then some more attempts. */
static void until_full(void) {
	int error = fill();
	refused("any", error, 0);
	for (int i = 0; i < 5; i++) {
		if (!(error = try_thread(named_idle)))
			die("a thread too many");
		refused("any", error, 0);
		if (!(error = try_fork()))
			die("a process too many");
		refused("any", error, 0);
		must_fail("clone", syscall(SYS_clone, (long)(CLONE_VFORK | CLONE_VM | SIGCHLD), 0, 0, 0, 0),
			  CLONE_VFORK | CLONE_VM | SIGCHLD);
#ifdef SYS_vfork
		must_fail("vfork", syscall(SYS_vfork), CLONE_VFORK | CLONE_VM | SIGCHLD);
		must_fail("fork", syscall(SYS_fork), SIGCHLD);
#endif
	}
}

static void limit(int resource, long value) {
	struct rlimit both = {(rlim_t)value, (rlim_t)value};
	if (setrlimit(resource, &both))
		die("setrlimit: %s", strerror(errno));
}

static void join_cgroup(const char *folder) {
	char path[PATH_MAX];
	snprintf(path, sizeof path, "%s/cgroup.procs", folder);
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

static volatile long signals;

static void count(int signal) {
	(void)signal;
	signals++;
}

int main(int argc, char **argv) {
	const char *mode = argc > 1 ? argv[1] : "";
	if (!strcmp(mode, "flags")) {
		long threads = number_arg(argc, argv, 2, 1, 2);
		rounds = number_arg(argc, argv, 3, 1, 10);
		become(SOMEBODY);
		pthread_t all[threads];
		for (long i = 0; i < threads; i++)
			all[i] = start_thread(wrong_in_thread, as_arg(my_tid()), 0);
		for (long i = 0; i < threads; i++)
			pthread_join(all[i], NULL);
	} else if (!strcmp(mode, "signals")) {
		rounds = number_arg(argc, argv, 2, 1, 100);
		become(SOMEBODY);
		struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
		sigaction(SIGALRM, &action, NULL);
		struct itimerval often = {{0, 300}, {0, 300}};
		setitimer(ITIMER_REAL, &often, NULL);
		wrong(NULL);
		if (!signals)
			die("no signal came");
	} else if (!strcmp(mode, "limit")) {
		become(NOBODY_ELSE);
		limit(RLIMIT_NPROC, number_arg(argc, argv, 2, 1, 10));
		until_full();
	} else if (!strcmp(mode, "cgroup") && argc > 2) {
		join_cgroup(argv[2]);
		until_full();
	} else if (!strcmp(mode, "space")) {
		limit(RLIMIT_AS, 64 << 20);
		int error = fill();
		say("full %ld errno %d\n", created, error);
	} else if (!strcmp(mode, "wait")) {
		sigset_t set;
		int number;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigaddset(&set, SIGTERM);
		sigprocmask(SIG_BLOCK, &set, NULL);
		say("ready %d\n", (int)getpid());
		while (sigwait(&set, &number) == 0 && number == SIGUSR1) {
			int thread = try_thread(idle), process = try_fork();
			say("tried %d %d\n", thread, process);
		}
	} else {
		die("usage: refused flags|signals|limit|cgroup|space|wait …");
	}
	fflush(NULL);
	_exit(0);
}
