/* A shared object for frames.c: calls what it is given. */
static int count;

__attribute__((noinline)) void plugin_inner(void (*call)(void)) {
	call();
	count++;
}

void plugin_enter(void (*call)(void)) {
	plugin_inner(call);
	count++;
}
