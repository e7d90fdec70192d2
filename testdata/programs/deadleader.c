/* A process whose main thread has exited: the leader is a zombie, the others go on.
 * PTRACE_SEIZE of the leader fails with EPERM then; many tools give up there.
 *
 *     deadleader MS [THREADS]
 *
 * THREADS threads (2 unless given) each create and join a thread every 10 ms, for MS ms; the main
 * thread calls pthread_exit once they run. `ready <pid>` is printed when the leader is a zombie.
 * Ends with 0.
 */
#define _GNU_SOURCE
#include "say.h"

static long life_ms, others, others_running;

static void *child(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	return NULL;
}

static int leader_is_zombie(void) {
	char path[40], text[256] = "";
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	close(fd);
	const char *state = length > 0 ? strrchr(text, ')') : NULL;
	return state && state[2] == 'Z';
}

static void *worker(void *creator) {
	say_made("thread", (int)from_arg(creator), my_tid());
	long number = __atomic_add_fetch(&others_running, 1, __ATOMIC_SEQ_CST);
	while (!leader_is_zombie())
		sleep_ms(1);
	if (number == 1)
		say("ready %d\n", getpid());
	uint64_t end = now_ns() + (uint64_t)life_ms * 1000000u;
	while (now_ns() < end) {
		pthread_join(start_thread(child, as_arg(my_tid()), 0), NULL);
		sleep_ms(10);
	}
	return NULL;
}

int main(int argc, char **argv) {
	life_ms = number_arg(argc, argv, 1, 0, 500);
	others = number_arg(argc, argv, 2, 1, 2);
	for (long i = 0; i < others; i++)
		start_thread(worker, as_arg(my_tid()), 1);
	while (__atomic_load_n(&others_running, __ATOMIC_SEQ_CST) < others)
		sleep_ms(1);
	pthread_exit(NULL);
}
