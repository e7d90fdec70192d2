/* A bit of everything, at a steady pace, for long: what tests/soak.sh records.
 *
 *     soak SECONDS
 *
 * The same in each hundredth of a second with the same number: threads that live for a moment, some by
 * threads of their own, some renamed; forks by two threads, some of which execute a program, some with
 * threads, some ended by a signal; queued signals to itself; and now and then 500 threads at a time.
 * Some 800 creations a second. Whatever was late is left out, not made up for. Prints `ready <pid>`;
 * at the end
 *     made <creations by the first process> signals sent <n> received <n>
 * and 1 if a signal is missing. `made` lines have, behind the TIDs, between which two moments of the
 * monotonic clock the kernel made it:
 *     made <thread|process> parent <tid> child <tid> from <ns> till <ns>
 * and a process that executed this program anew says `ran <pid> till <ns>`.
 */
#define _GNU_SOURCE
#include "say.h"
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define TICK_NS 10000000u
#define BURST 500
#define BURST_EVERY 1700 /* ticks */
#define MAKERS 4         /* threads that make threads */

enum { PLAIN, RENAMED, SIGNALLING, PARENT, CROWD, SICK, KINDS };

struct job {
	int kind, creator;
	uint64_t from;
};

static uint64_t end;
static long made, living, sent, received, crowd, crowd_goes;
static char *leaf[] = {"soak", "leaf", NULL};
extern char **environ;

static void say_born(const char *kind, int parent, int child, uint64_t from) {
	char line[200];
	int length = snprintf(line, sizeof line, "made %s parent %d child %d from %llu till %llu\n", kind, parent,
			      child, (unsigned long long)from, (unsigned long long)now_ns());
	while (write(say_fd, line, (size_t)length) < 0)
		if (errno != EINTR)
			_exit(98);
	__atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
}

static void on_signal(int number, siginfo_t *info, void *context) {
	(void)number, (void)info, (void)context;
	__atomic_add_fetch(&received, 1, __ATOMIC_RELAXED);
}

static void make_thread(int kind);

static void *run(void *arg) {
	struct job job = *(struct job *)arg;
	free(arg);
	say_born("thread", job.creator, my_tid(), job.from);
	if (job.kind == RENAMED) {
		char name[16];
		snprintf(name, sizeof name, "named-%d", my_tid());
		prctl(PR_SET_NAME, name);
		sleep_ms(15);
	} else if (job.kind == SIGNALLING) {
		union sigval value = {0};
		/* To any thread of the process; more than fit are no business of this test. */
		if (sigqueue(getpid(), SIGRTMIN, value) == 0)
			__atomic_add_fetch(&sent, 1, __ATOMIC_RELAXED);
	} else if (job.kind == PARENT) {
		make_thread(PLAIN);
	} else if (job.kind == CROWD) {
		__atomic_add_fetch(&crowd, 1, __ATOMIC_SEQ_CST);
		while (!__atomic_load_n(&crowd_goes, __ATOMIC_SEQ_CST))
			sleep_ms(20);
		__atomic_sub_fetch(&crowd, 1, __ATOMIC_SEQ_CST);
	} else if (job.kind == SICK) {
		__atomic_add_fetch(&crowd, 1, __ATOMIC_SEQ_CST);
		sleep_for_ever();
	}
	__atomic_sub_fetch(&living, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void make_thread(int kind) {
	struct job *job = malloc(sizeof *job);
	if (!job)
		die("no memory");
	__atomic_add_fetch(&living, 1, __ATOMIC_SEQ_CST);
	*job = (struct job){.kind = kind, .creator = my_tid(), .from = now_ns()};
	start_thread(run, job, 1);
}

/* A process that does something and ends; the number says what. */
static void make_process(long number) {
	int self = my_tid(), status, ends = 0;
	uint64_t from = now_ns();
	pid_t child;
	if (number % 4 == 1) { /* vfork and exec */
		int error = posix_spawn(&child, own_path(), NULL, NULL, leaf, environ);
		if (error)
			die("cannot spawn: %s", strerror(error));
	} else if ((child = fork()) == 0) {
		living = crowd = 0;
		if (number % 4 == 3) {
			execv(own_path(), leaf);
			_exit(97);
		}
		if (number % 4 == 2) {
			make_thread(PARENT);
			make_thread(PLAIN);
			while (__atomic_load_n(&living, __ATOMIC_SEQ_CST))
				sleep_ms(1);
		}
		if (number % 40 == 8) { /* with threads, and ended by a signal */
			make_thread(SICK);
			make_thread(SICK);
			while (__atomic_load_n(&crowd, __ATOMIC_SEQ_CST) < 2)
				sleep_ms(1);
			kill(getpid(), number % 80 == 8 ? SIGKILL : SIGTERM);
			sleep_for_ever();
		}
		_exit((int)(number % 3));
	}
	if (child < 0)
		die("cannot fork: %s", strerror(errno));
	say_born("process", self, child, from);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (number % 40 == 8)
		ends = number % 80 == 8 ? SIGKILL : SIGTERM;
	else if (number % 2 == 0)
		ends = (int)(number % 3) << 8;
	if (status != ends)
		die("child %d: status 0x%x", child, (unsigned)status);
}

/* Waits for the next moment; how many ticks went by. */
static long tick(uint64_t *next, uint64_t every) {
	uint64_t now = now_ns();
	long ticks = 1;
	if (now > *next)
		ticks += (long)((now - *next) / every);
	else
		sleep_ms((long)((*next - now) / 1000000u) + 1);
	*next += (uint64_t)ticks * every;
	return ticks;
}

static void *maker(void *arg) {
	struct job job = *(struct job *)arg;
	free(arg);
	say_born("thread", job.creator, my_tid(), job.from);
	uint64_t next = now_ns();
	for (long number = job.kind; now_ns() < end; number++) {
		tick(&next, 5 * TICK_NS / 2);
		if (job.kind % 2 == 0) {
			make_thread(number % 2 ? PARENT : RENAMED);
			make_thread(PLAIN);
		} else if (number % 2) {
			make_process(number / 2);
		} else {
			make_thread(SIGNALLING);
			make_thread(PARENT);
		}
	}
	__atomic_sub_fetch(&living, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void burst(void) {
	crowd_goes = 0;
	for (int i = 0; i < BURST; i++)
		make_thread(CROWD);
	while (__atomic_load_n(&crowd, __ATOMIC_SEQ_CST) < BURST)
		sleep_ms(1);
	__atomic_store_n(&crowd_goes, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&crowd, __ATOMIC_SEQ_CST))
		sleep_ms(1);
}

int main(int argc, char **argv) {
	if (argc == 2 && strcmp(argv[1], "leaf") == 0) {
		say_log ? (void)dprintf(say_fd, "ran %d till %llu\n", getpid(), (unsigned long long)now_ns()) : (void)0;
		return 0;
	}
	end = now_ns() + (uint64_t)number_arg(argc, argv, 1, 1, 10) * 1000000000u;
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(SIGRTMIN, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	say("ready %d\n", getpid());
	for (int i = 0; i < MAKERS; i++) {
		struct job *job = malloc(sizeof *job);
		__atomic_add_fetch(&living, 1, __ATOMIC_SEQ_CST);
		*job = (struct job){.kind = i, .creator = my_tid(), .from = now_ns()};
		start_thread(maker, job, 1);
	}
	uint64_t next = now_ns();
	for (long ticks = 0, bursts = 0; now_ns() < end;) {
		ticks += tick(&next, TICK_NS);
		make_thread(PLAIN);
		make_thread(ticks % 2 ? RENAMED : PARENT);
		if (ticks % 10 == 0)
			make_thread(SIGNALLING);
		if (ticks / BURST_EVERY > bursts) {
			bursts = ticks / BURST_EVERY;
			burst();
		}
	}
	while (__atomic_load_n(&living, __ATOMIC_SEQ_CST))
		sleep_ms(1);
	for (int i = 0; i < 1000 && __atomic_load_n(&received, __ATOMIC_SEQ_CST) < sent; i++)
		sleep_ms(1);
	say("made %ld signals sent %ld received %ld\n", made, sent, received);
	return received != sent;
}
