import Glibc

/// The names in a directory, except `.` and `..`, in no order.
func names(in directory: Descriptor, _ what: @autoclosure () -> String) throws(BlobError) -> [String] {
    // A stream owns its descriptor and moves its offset, so it gets one of its own.
    let number = try retrying(what()) { openat(directory.number, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard let stream = fdopendir(number) else {
        let error = BlobError(number: errno, what())
        _ = Glibc.close(number)
        throw error
    }
    defer { _ = closedir(stream) }
    var names: [String] = []
    while true {
        errno = 0
        guard let entry = readdir(stream) else {
            if errno != 0 { throw BlobError(number: errno, what()) }
            return names
        }
        // An entry ends with its name: read up to the zero byte only, never the 256 bytes the type declares.
        let start = UnsafeRawPointer(entry) + (MemoryLayout<dirent>.offset(of: \.d_name) ?? 0)
        let name = String(cString: start.assumingMemoryBound(to: CChar.self))
        if name != ".", name != ".." { names.append(name) }
    }
}

/// A byte as two lower-case hexadecimal digits.
func hexByte(_ byte: UInt8) -> String {
    String(byte >> 4, radix: 16) + String(byte & 0xF, radix: 16)
}

/// The byte that `hexByte` writes so; nil for any other text.
func parseHexByte(_ text: String) -> UInt8? {
    guard let byte = UInt8(text, radix: 16), hexByte(byte) == text else { return nil }
    return byte
}
