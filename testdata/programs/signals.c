/* Counts the signals that reach it: a recorder must pass on every one, with its value, once.
 *
 *     signals [COUNT]
 *
 * Four threads wait. A forked child sends COUNT (200) numbered signals of each kind:
 *     SIGRTMIN+0..2  by rt_tgsigqueueinfo, each to its own thread
 *     SIGRTMIN+3     by sigqueue to the process; only the fourth thread lets it through
 *     SIGUSR1        by tgkill to the threads in turn     (standard signals are not queued:
 *     SIGUSR2        by kill to the process                at least one of each arrives)
 * Real-time signals are queued and arrive in order. At the end, the same each time:
 *     rt <0..3> count <COUNT> sum <1+…+COUNT> in-order yes sender yes
 *     usr1 received yes
 *     usr2 received yes
 * and 0; another line reads `no` or another number, and then it is 1. `made` lines only with LOG.
 */
#define _GNU_SOURCE
#include "say.h"
#include <signal.h>
#include <sys/wait.h>

#define THREADS 4

struct series {
	long count, sum;
	int last, disordered, strange;
};

static struct series series[THREADS];
static long usr1, usr2, ready;
static int tids[THREADS], creator;
static volatile int sender; /* 0 until the fork has returned */

static void on_realtime(int number, siginfo_t *info, void *context) {
	(void)context;
	struct series *mine = &series[number - SIGRTMIN]; /* one thread at a time writes it */
	int value = info->si_value.sival_int;
	mine->sum += value;
	mine->disordered |= value != mine->last + 1;
	mine->last = value;
	mine->strange |= info->si_code != SI_QUEUE || (sender && info->si_pid != sender);
	__atomic_add_fetch(&mine->count, 1, __ATOMIC_SEQ_CST);
}

static void on_standard(int number, siginfo_t *info, void *context) {
	(void)info, (void)context;
	__atomic_add_fetch(number == SIGUSR1 ? &usr1 : &usr2, 1, __ATOMIC_SEQ_CST);
}

static void *receiver(void *arg) {
	long number = from_arg(arg);
	say_made_if_log("thread", creator, my_tid());
	tids[number] = my_tid();
	if (number == THREADS - 1) {
		sigset_t last;
		sigemptyset(&last);
		sigaddset(&last, SIGRTMIN + THREADS - 1);
		pthread_sigmask(SIG_UNBLOCK, &last, NULL);
	}
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	sleep_for_ever();
	return NULL;
}

/* Sends one queued signal, again if the queue is full. */
static void queue(pid_t target, int tid, int number, int value) {
	siginfo_t info = {.si_signo = number, .si_code = SI_QUEUE};
	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value.sival_int = value;
	for (;;) {
		long sent = tid ? syscall(SYS_rt_tgsigqueueinfo, target, tid, number, &info)
				: sigqueue(target, number, info.si_value);
		if (sent == 0)
			return;
		if (errno != EAGAIN)
			die("cannot queue signal %d: %s", number, strerror(errno));
		sleep_ms(1);
	}
}

static void send_all(pid_t target, long count) {
	for (int value = 1; value <= count; value++) {
		for (int i = 0; i < THREADS - 1; i++)
			queue(target, tids[i], SIGRTMIN + i, value);
		queue(target, 0, SIGRTMIN + THREADS - 1, value);
		syscall(SYS_tgkill, target, tids[value % THREADS], SIGUSR1);
		kill(target, SIGUSR2);
	}
}

static int all_arrived(long count) {
	for (int i = 0; i < THREADS; i++)
		if (__atomic_load_n(&series[i].count, __ATOMIC_SEQ_CST) < count)
			return 0;
	return __atomic_load_n(&usr1, __ATOMIC_SEQ_CST) && __atomic_load_n(&usr2, __ATOMIC_SEQ_CST);
}

static int report(long count) {
	int fine = 1;
	for (int i = 0; i < THREADS; i++) {
		struct series *one = &series[i];
		say("rt %d count %ld sum %ld in-order %s sender %s\n", i, one->count, one->sum,
		    one->disordered ? "no" : "yes", one->strange ? "no" : "yes");
		fine &= one->count == count && !one->disordered && !one->strange;
	}
	say("usr1 received %s\nusr2 received %s\n", usr1 ? "yes" : "no", usr2 ? "yes" : "no");
	return fine && usr1 && usr2 ? 0 : 1;
}

int main(int argc, char **argv) {
	long count = number_arg(argc, argv, 1, 1, 200);
	struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
	sigset_t last;
	creator = my_tid();
	action.sa_sigaction = on_standard;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	action.sa_sigaction = on_realtime;
	for (int i = 0; i < THREADS; i++)
		sigaction(SIGRTMIN + i, &action, NULL);
	sigemptyset(&last);
	sigaddset(&last, SIGRTMIN + THREADS - 1);
	pthread_sigmask(SIG_BLOCK, &last, NULL); /* the threads inherit it */

	for (long i = 0; i < THREADS; i++)
		start_thread(receiver, as_arg(i), 1);
	while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < THREADS)
		sleep_ms(1);
	pid_t target = getpid(), child = fork();
	if (child < 0)
		die("cannot fork: %s", strerror(errno));
	if (child == 0) {
		send_all(target, count);
		_exit(0);
	}
	sender = child;
	say_made_if_log("process", creator, child);
	int status;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	/* Half a minute, then what has arrived is reported. */
	for (int i = 0; i < 30000 && !all_arrived(count); i++)
		sleep_ms(1);
	sleep_ms(20); /* one too many would come now */
	return report(count);
}
