// A synchronous client over Boost.Beast, as its examples write one:
// beast MODE URL SIZE COUNT BURSTS. It receives one message at a time, as a
// string that outlives the next read, as the other clients do, and sends each
// message with a write of its own.

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace beast = boost::beast;
namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using Socket = beast::websocket::stream<tcp::socket>;
using Clock = std::chrono::steady_clock;

static double seconds_since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

static double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// getrusage() would count what the process was before exec().
static long highest_rss() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmHWM:", 0) == 0) return std::atol(&line[6]) * 1024;
  }
  return 0;
}

struct Stopwatch {
  Clock::time_point begun = Clock::now();
  double processor = processor_seconds();
};

class Costs {
 public:
  void add(const Stopwatch& watch, long count) {
    char text[96];
    std::snprintf(text, sizeof text, "%s{\"seconds\":%.12g,\"processor\":%.9g}",
                  json_.empty() ? "" : ",", seconds_since(watch.begun) / count,
                  (processor_seconds() - watch.processor) * 1e6 / count);
    json_ += text;
  }
  void print() const {
    std::printf("{\"costs\":[%s],\"rss\":%ld}\n", json_.c_str(), highest_rss());
  }

 private:
  std::string json_;
};

static std::string read_one(Socket& socket, beast::flat_buffer& buffer,
                            std::size_t size) {
  buffer.clear();
  socket.read(buffer);
  std::string message = beast::buffers_to_string(buffer.data());
  if (message.size() != size) throw std::runtime_error("not the size");
  return message;
}

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const std::string mode = argv[1], url = argv[2];
  const long size = std::atol(argv[3]), count = std::atol(argv[4]),
             bursts = std::atol(argv[5]);
  const auto colon = url.rfind(':'), slash = url.rfind('/');
  const std::string port = url.substr(colon + 1, slash - colon - 1);

  std::vector<std::string> texts;
  for (int i = 0; i < 64; i++) {
    std::string text = "{\"i\":" + std::to_string(i) + "}";
    text.resize(size, 'x');
    texts.push_back(text);
  }

  asio::io_context context;
  Socket socket(context);
  tcp::resolver resolver(context);
  asio::connect(socket.next_layer(), resolver.resolve("127.0.0.1", port));
  socket.next_layer().set_option(tcp::no_delay(true));
  socket.read_message_max(0);
  socket.handshake("127.0.0.1:" + port, "/");
  socket.text(true);

  beast::flat_buffer buffer;
  if (mode == "echo") {
    std::string json;
    for (long i = 0; i < count; i++) {
      const auto begun = Clock::now();
      socket.write(asio::buffer(texts[i & 63]));
      read_one(socket, buffer, size);
      char text[32];
      std::snprintf(text, sizeof text, "%s%.6f", i == 0 ? "" : ",",
                    seconds_since(begun) * 1000);
      json += text;
    }
    std::printf("{\"ms\":[%s]}\n", json.c_str());
    return 0;
  }

  Costs costs;
  for (long burst = 0; burst < bursts; burst++) {
    if (mode == "receive") {
      socket.write(asio::buffer(std::string("more")));
      read_one(socket, buffer, size);
      Stopwatch watch;
      for (long i = 1; i < count; i++) read_one(socket, buffer, size);
      costs.add(watch, count);
    } else {
      Stopwatch watch;
      for (long i = 0; i < count; i++) {
        socket.write(asio::buffer(texts[i & 63]));
      }
      buffer.clear();
      socket.read(buffer);
      costs.add(watch, count);
    }
  }
  costs.print();
}
