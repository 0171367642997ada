/// A QR code (ISO/IEC 18004) for a short text: bytes, error correction M, versions 1 to 10.
package struct QRCode: Sendable {
    /// Modules on a side.
    package let size: Int
    private var modules: [Bool]
    private var isFunction: [Bool]

    /// Of each version: bytes of error correction in a block, and how many blocks have how many bytes of data.
    private static let versions: [(correction: Int, blocks: [Int])] = [
        (10, [16]), (16, [28]), (26, [44]), (18, [32, 32]), (24, [43, 43]), (16, [27, 27, 27, 27]),
        (18, [31, 31, 31, 31]), (22, [38, 38, 39, 39]), (22, [36, 36, 36, 37, 37]), (26, [43, 43, 43, 43, 44]),
    ]

    /// The smallest code for a text; nil where it is longer than 213 bytes.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        func capacity(_ version: Int) -> Int { Self.versions[version - 1].blocks.reduce(0, +) - (version < 10 ? 2 : 3) }
        guard let version = (1...10).first(where: { capacity($0) >= bytes.count }) else { return nil }
        size = 17 + 4 * version
        modules = [Bool](repeating: false, count: size * size)
        isFunction = modules
        drawPatterns(version)
        place(Self.codewords(bytes, version))
        chooseMask()
    }

    package func isDark(_ x: Int, _ y: Int) -> Bool { modules[y * size + x] }

    /// Draws it as runs of dark modules, for the path of an SVG.
    package var path: String {
        var out = ""
        for y in 0..<size {
            var x = 0
            while x < size {
                let start = x
                while x < size, isDark(x, y) { x += 1 }
                if x > start { out += "M\(start) \(y)h\(x - start)v1h-\(x - start)z" }
                x += 1
            }
        }
        return out
    }

    // MARK: Data

    private static func codewords(_ bytes: [UInt8], _ version: Int) -> [UInt8] {
        let (correction, blocks) = versions[version - 1]
        var bits: [Bool] = []
        func append(_ value: Int, _ count: Int) {
            for shift in stride(from: count - 1, through: 0, by: -1) { bits.append(value >> shift & 1 == 1) }
        }
        let capacity = blocks.reduce(0, +)
        append(4, 4)
        append(bytes.count, version < 10 ? 8 : 16)
        for byte in bytes { append(Int(byte), 8) }
        append(0, min(4, capacity * 8 - bits.count))
        append(0, (8 - bits.count % 8) % 8)
        var data = stride(from: 0, to: bits.count, by: 8).map { start in
            bits[start..<(start + 8)].reduce(UInt8(0)) { $0 << 1 | ($1 ? 1 : 0) }
        }
        var padding: UInt8 = 0xEC
        while data.count < capacity {
            data.append(padding)
            padding ^= 0xEC ^ 0x11
        }
        let divisor = ReedSolomon.divisor(correction)
        var parts: [(data: [UInt8], correction: [UInt8])] = []
        var at = 0
        for count in blocks {
            let part = Array(data[at..<(at + count)])
            parts.append((part, ReedSolomon.remainder(part, divisor)))
            at += count
        }
        // Blocks take turns, byte by byte.
        var out: [UInt8] = []
        for index in 0..<(blocks.max() ?? 0) {
            for part in parts where index < part.data.count { out.append(part.data[index]) }
        }
        for index in 0..<correction { for part in parts { out.append(part.correction[index]) } }
        return out
    }

    // MARK: Drawing

    private mutating func set(_ x: Int, _ y: Int, _ isDark: Bool) {
        modules[y * size + x] = isDark
        isFunction[y * size + x] = true
    }

    private mutating func drawPatterns(_ version: Int) {
        for i in 0..<size {
            set(6, i, i % 2 == 0)
            set(i, 6, i % 2 == 0)
        }
        for (x, y) in [(3, 3), (size - 4, 3), (3, size - 4)] { drawFinder(x, y) }
        let last = 10 + 4 * version
        let centres = version == 1 ? [] : version < 7 ? [6, last] : [6, (last + 6) / 2, last]
        for x in centres {
            for y in centres where !((x == 6 && (y == 6 || y == last)) || (x == last && y == 6)) {
                for dy in -2...2 { for dx in -2...2 { set(x + dx, y + dy, max(abs(dx), abs(dy)) != 1) } }
            }
        }
        drawFormat(mask: 0)
        guard version >= 7 else { return }
        var rest = version
        for _ in 0..<12 { rest = rest << 1 ^ (rest >> 11) * 0x1F25 }
        let bits = version << 12 | rest
        for i in 0..<18 {
            let isDark = bits >> i & 1 == 1
            set(size - 11 + i % 3, i / 3, isDark)
            set(i / 3, size - 11 + i % 3, isDark)
        }
    }

    private mutating func drawFinder(_ x: Int, _ y: Int) {
        for dy in -4...4 {
            for dx in -4...4 where (0..<size).contains(x + dx) && (0..<size).contains(y + dy) {
                let distance = max(abs(dx), abs(dy))
                set(x + dx, y + dy, distance != 2 && distance != 4)
            }
        }
    }

    /// Level M is 00; the mask's number follows.
    private mutating func drawFormat(mask: Int) {
        var rest = mask
        for _ in 0..<10 { rest = rest << 1 ^ (rest >> 9) * 0x537 }
        let bits = (mask << 10 | rest) ^ 0x5412
        func bit(_ i: Int) -> Bool { bits >> i & 1 == 1 }
        for i in 0..<6 { set(8, i, bit(i)) }
        set(8, 7, bit(6))
        set(8, 8, bit(7))
        set(7, 8, bit(8))
        for i in 9..<15 { set(14 - i, 8, bit(i)) }
        for i in 0..<8 { set(size - 1 - i, 8, bit(i)) }
        for i in 8..<15 { set(8, size - 15 + i, bit(i)) }
        set(8, size - 8, true)
    }

    /// Upwards and downwards in columns of two, from the right.
    private mutating func place(_ codewords: [UInt8]) {
        var i = 0
        var right = size - 1
        while right >= 1 {
            if right == 6 { right = 5 }
            for step in 0..<size {
                for x in [right, right - 1] {
                    let y = (right + 1) & 2 == 0 ? size - 1 - step : step
                    guard !isFunction[y * size + x], i < codewords.count * 8 else { continue }
                    modules[y * size + x] = codewords[i >> 3] >> UInt8(7 - i & 7) & 1 == 1
                    i += 1
                }
            }
            right -= 2
        }
    }

    private mutating func apply(mask: Int) {
        for y in 0..<size {
            for x in 0..<size where !isFunction[y * size + x] {
                let isTurned =
                    switch mask {
                    case 0: (x + y) % 2 == 0
                    case 1: y % 2 == 0
                    case 2: x % 3 == 0
                    case 3: (x + y) % 3 == 0
                    case 4: (x / 3 + y / 2) % 2 == 0
                    case 5: x * y % 2 + x * y % 3 == 0
                    case 6: (x * y % 2 + x * y % 3) % 2 == 0
                    default: ((x + y) % 2 + x * y % 3) % 2 == 0
                    }
                if isTurned { modules[y * size + x].toggle() }
            }
        }
    }

    /// Takes the mask under which cameras get the least confused.
    private mutating func chooseMask() {
        let plain = modules
        var best = (mask: 0, penalty: Int.max)
        for mask in 0..<8 {
            modules = plain
            apply(mask: mask)
            drawFormat(mask: mask)
            let penalty = penalty
            if penalty < best.penalty { best = (mask, penalty) }
        }
        modules = plain
        apply(mask: best.mask)
        drawFormat(mask: best.mask)
    }

    /// Long runs, blocks of one colour, and an uneven share of dark modules count against a mask.
    private var penalty: Int {
        var out = 0
        for i in 0..<size {
            for isRow in [true, false] {
                var (run, last) = (0, false)
                for j in 0..<size {
                    let dark = isRow ? isDark(j, i) : isDark(i, j)
                    run = j > 0 && dark == last ? run + 1 : 1
                    last = dark
                    if run == 5 { out += 3 } else if run > 5 { out += 1 }
                }
            }
        }
        for y in 0..<(size - 1) {
            for x in 0..<(size - 1) {
                let dark = isDark(x, y)
                if dark == isDark(x + 1, y), dark == isDark(x, y + 1), dark == isDark(x + 1, y + 1) { out += 3 }
            }
        }
        let share = modules.count { $0 } * 20 / modules.count
        return out + abs(share - 10) * 10
    }
}

/// Error correction over GF(2^8) with the polynomial 0x11D.
private enum ReedSolomon {
    static func divisor(_ degree: Int) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: degree - 1) + [1]
        var root: UInt8 = 1
        for _ in 0..<degree {
            for j in 0..<degree {
                out[j] = multiply(out[j], root)
                if j + 1 < degree { out[j] ^= out[j + 1] }
            }
            root = multiply(root, 2)
        }
        return out
    }

    static func remainder(_ data: [UInt8], _ divisor: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: divisor.count)
        for byte in data {
            let factor = byte ^ out.removeFirst()
            out.append(0)
            for i in out.indices { out[i] ^= multiply(divisor[i], factor) }
        }
        return out
    }

    private static func multiply(_ a: UInt8, _ b: UInt8) -> UInt8 {
        var out: UInt8 = 0
        for shift in (0..<8).reversed() {
            out = out << 1 ^ (out >> 7) * 0x1D
            if b >> UInt8(shift) & 1 == 1 { out ^= a }
        }
        return out
    }
}
