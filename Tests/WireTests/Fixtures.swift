import TestSupport

extension SeededGenerator {
    /// `bytes` with one to four bytes changed, removed or put in.
    mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
        var out = bytes
        for _ in 0..<Int.random(in: 1...4, using: &self) where !out.isEmpty {
            let at = Int.random(in: 0..<out.count, using: &self)
            switch Int.random(in: 0..<4, using: &self) {
            case 0: out[at] = UInt8.random(in: 0...255, using: &self)
            case 1: out.remove(at: at)
            case 2: out.insert(bytes.randomElement(using: &self) ?? 0, at: at)
            default: out.insert(UInt8.random(in: 0...255, using: &self), at: at)
            }
        }
        return out
    }
}
