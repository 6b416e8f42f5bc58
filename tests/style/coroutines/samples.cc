// Samples for tools/check_coroutines.py, never compiled. A line that it must report ends in the word after the two slashes.
#include <vector>

awaitable<void> named(Connection connection) { co_await connection.close(); }

void start(Executor executor, Connection& connection, std::vector<int> table, int index) {
  spawn(executor, named(connection));
  spawn(executor, [&connection]() -> awaitable<void> { co_await connection.close(); });  // found
  spawn(executor, [=]() mutable -> awaitable<void> {  // found
    co_await connection.close();
  });
  auto stateless = [](Connection by_value) -> awaitable<void> { co_await by_value.close(); };
  auto plain = [index](int value) { return value + index; };
  auto keeps = [index] {
    return [](Connection by_value) -> awaitable<int> { co_return by_value.count(); };
  };
  table[index] = 3;
  auto yields = [this]<class T>(T value) noexcept -> generator<T> { co_yield value; };  // found
  [[maybe_unused]] auto text = "[&] { co_await nothing(); }";
  // [&] { co_await nothing(); }
  return [x = std::move(table)]() -> awaitable<void> { co_return; }();  // found
}
