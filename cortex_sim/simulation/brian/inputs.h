// The inputs of spiking neurons, as cortex_sim/spiking/inputs.py defines them, for C++ standalone programs; and the arrays of the circuit.
#ifndef CORTEX_SIM_INPUTS_H
#define CORTEX_SIM_INPUTS_H
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace cortex_sim {

const int REFUSED = 4; // exit status where the card asks for what cannot be

inline std::FILE *opened(const std::string &name, const char *mode) {
    std::FILE *file = std::fopen(name.c_str(), mode);
    if (!file) {
        std::fprintf(stderr, "cannot open %s\n", name.c_str());
        std::exit(3);
    }
    return file;
}

template <class T> std::vector<T> read(const std::string &name) {
    std::FILE *file = opened(name, "rb");
    std::fseek(file, 0, SEEK_END);
    std::vector<T> values(std::ftell(file) / sizeof(T));
    std::rewind(file);
    const size_t got = values.empty() ? 0 : std::fread(values.data(), sizeof(T), values.size(), file);
    std::fclose(file);
    if (got != values.size()) {
        std::fprintf(stderr, "cannot read %s\n", name.c_str());
        std::exit(3);
    }
    return values;
}

template <class T> void write(const std::string &name, const T *values, size_t count) {
    std::FILE *file = opened(name, "wb");
    const size_t put = count ? std::fwrite(values, sizeof(T), count, file) : 0;
    if (std::fclose(file) || put != count) {
        std::fprintf(stderr, "cannot write %s\n", name.c_str());
        std::exit(3);
    }
}

// Fill an array of the program from a file of as many numbers.
template <class T> void fill(T *to, size_t count, const std::string &name) {
    const std::vector<double> values = read<double>(name);
    if (values.size() != count) {
        std::fprintf(stderr, "%s holds %zu numbers; the program was built for %zu\n", name.c_str(), values.size(), count);
        std::exit(3);
    }
    for (size_t k = 0; k < count; k++) to[k] = (T)values[k];
}

// Fill a growing array of the program from a file of numbers of another type, a piece at a time.
template <class From, class T> size_t grow(std::vector<T> &to, const std::string &name) {
    std::FILE *file = opened(name, "rb");
    std::fseek(file, 0, SEEK_END);
    const size_t count = std::ftell(file) / sizeof(From);
    std::rewind(file);
    to.resize(count);
    std::vector<From> piece(1 << 16);
    for (size_t done = 0; done < count;) {
        const size_t got = std::fread(piece.data(), sizeof(From), piece.size(), file);
        if (!got) {
            std::fprintf(stderr, "cannot read %s\n", name.c_str());
            std::exit(3);
        }
        for (size_t k = 0; k < got; k++) to[done + k] = (T)piece[k];
        done += got;
    }
    std::fclose(file);
    return count;
}

inline uint64_t mixed(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

// One input of one kind of neurons: key of its random numbers, step, drives (patterns and courses) and recorded events.
struct Source {
    uint64_t stream = 0, start = 0;
    int64_t neurons = 0, slots = 0, steps = 0, now = -1, base = -1, number = 0;
    double dt = 0, most = 0, moment = -1, last = -1, zero = 0, scale = 0;
    std::vector<double> patterns, courses;
    std::vector<int32_t> counts;
    std::vector<int64_t> starts, events;
    std::vector<std::pair<const double *, double>> active;

    explicit Source(const std::string &name) {
        const std::vector<int64_t> head = read<int64_t>(name + ".head");
        stream = (uint64_t)head[0], neurons = head[1], slots = head[2], steps = head[3];
        dt = read<double>(name + ".dt")[0], most = read<double>(name + ".dt")[1];
        scale = 1.0 / std::sqrt(dt);
        patterns = read<double>(name + ".patterns"), courses = read<double>(name + ".courses");
        starts = read<int64_t>(name + ".starts"), events = read<int64_t>(name + ".events");
        tables.resize(32), of.assign(neurons, 0);
        counts.assign(starts.empty() ? 0 : neurons, 0);
    }

    int64_t step(double t) {
        if (t != moment) moment = t, number = std::llround(t / dt);
        return number;
    }

    double uniform(int64_t k, int64_t i) {
        if (k != base) start = mixed(stream + (uint64_t)k * 0xD1B54A32D192ED03ull), base = k;
        return (mixed(start + (uint64_t)(i + 1) * 0x9E3779B97F4A7C15ull) >> 11) * 1.1102230246251565e-16;
    }

    double drive(double t, int64_t i) {
        if (!slots) return 0.0;
        const int64_t k = step(t);
        if (k != now) {
            now = k, active.clear();
            const int64_t at = k < steps ? k : steps - 1;
            for (int64_t s = 0; s < slots; s++)
                if (courses[s * steps + at] != 0.0) active.push_back({&patterns[s * neurons], courses[s * steps + at]});
        }
        double sum = 0.0;
        for (const auto &slot : active) sum += slot.first[i] * slot.second;
        return sum;
    }

    double noise(double t, int64_t i) {
        const int64_t k = 2 * step(t);
        const uint64_t offset = (uint64_t)(i + 1) * 0x9E3779B97F4A7C15ull;
        if (k != base) start = mixed(stream + (uint64_t)k * 0xD1B54A32D192ED03ull), zero = 0, base = k, second = mixed(stream + (uint64_t)(k + 1) * 0xD1B54A32D192ED03ull);
        const double u = (mixed(start + offset) >> 11) * 1.1102230246251565e-16, v = (mixed(second + offset) >> 11) * 1.1102230246251565e-16;
        return std::sqrt(-2.0 * std::log(1.0 - u)) * std::cos(6.283185307179586 * v) * scale;
    }

    // Poisson distribution functions of the latest means, each with a guide (Chen & Asau 1974): where to start for u in [k, k + 1)/256.
    struct Table {
        double mean = -1, below[1001];
        int16_t guide[256];
    };
    std::vector<Table> tables;
    std::vector<uint8_t> of;
    size_t oldest = 0;

    double poisson(double rate, double t, int64_t i) {
        const double mean = rate * dt, u = uniform(step(t), i);
        if (tables[of[i]].mean != mean && !tabulated(mean, i)) return counted(mean, u);
        const Table &table = tables[of[i]];
        int count = table.guide[(int)(u * 256)];
        while (u >= table.below[count]) count++;
        return count;
    }

    double counted(double mean, double u) {
        if (mean != last) {
            if (!(mean <= most)) {
                std::fprintf(stderr, "a Poisson input expects %g events of a neuron in one step, where at most %g can be told apart; "
                                     "shorten dt or lower the rate.\n", mean, most);
                std::exit(REFUSED);
            }
            last = mean, zero = std::exp(-mean);
        }
        double below = zero, term = zero;
        int count = 0;
        while (u >= below && count < 999) count++, term *= mean / count, below += term;
        return count;
    }

    // Find or make the table of a mean; a mean that the neuron before does not share gets none.
    bool tabulated(double mean, int64_t i) {
        for (size_t k = 0; k < tables.size(); k++)
            if (tables[k].mean == mean) return of[i] = k, true;
        if (mean != last) return false;
        Table &table = tables[oldest];
        of[i] = oldest, oldest = (oldest + 1) % tables.size();
        double term = std::exp(-mean), below = term;
        table.mean = mean, table.below[0] = below;
        for (int k = 1; k < 1000; k++) term *= mean / k, below += term, table.below[k] = k < 999 ? below : 2.0;
        for (int k = 0, count = 0; k < 256; k++) {
            while (table.below[count] <= k / 256.0) count++;
            table.guide[k] = count;
        }
        return true;
    }

    double recorded(double t, int64_t i) {
        const int64_t k = step(t);
        if (k + 1 >= (int64_t)starts.size()) return 0.0;
        if (k != now) {
            if (now >= 0)
                for (int64_t e = starts[now]; e < starts[now + 1]; e++) counts[events[e]] = 0;
            now = k;
            for (int64_t e = starts[k]; e < starts[k + 1]; e++) counts[events[e]]++;
        }
        return counts[i];
    }

    uint64_t second = 0;
};

// A variable of neurons some steps ago; before the start, it was that of the first step.
struct DelayLine {
    const int64_t lag;
    const double dt;
    std::vector<std::vector<double>> rows;

    DelayLine(int64_t steps, double step) : lag(steps), dt(step), rows(steps) {}

    double passed(double value, double t, int64_t i) {
        const int64_t k = std::llround(t / dt);
        if (k == 0)
            for (auto &row : rows) {
                if ((int64_t)row.size() <= i) row.resize(i + 1);
                row[i] = value;
            }
        const double then = rows[k % lag][i];
        rows[k % lag][i] = value;
        return then;
    }
};

} // namespace cortex_sim
#endif
