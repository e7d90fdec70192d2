// Threads of the C++ library from known places; see sites.c.
#include <future>
#include <thread>

namespace post {
class Office {
public:
	__attribute__((noinline)) void open(int counters)
	{
		std::thread clerk([counters] { volatile int letters = counters; (void)letters; }); // site clerk
		clerk.join();
	}
	__attribute__((noinline)) int ask(int question)
	{
		auto answer = std::async(std::launch::async, [question] { return question + 1; }); // site async
		return answer.get();
	}
};
} // namespace post

int main()
{
	post::Office office;
	office.open(3);
	return office.ask(1) == 2 ? 0 : 1;
}
