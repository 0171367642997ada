import ArgumentParser
import Glibc
import Wire

/// What a command ends with when it does not succeed: an exit code, and a message that says what to do.
struct Failure: Error, CustomStringConvertible {
    enum Code: Int32 {
        case failed = 1
        /// Something was checked and is not as it should be.
        case notAsItShouldBe = 2
        case notAllowed = 3
        case notFound = 4
    }

    var code: Code
    var description: String
    /// The node did not answer at all, or was too busy: it may a moment later.
    var isUnreachable = false

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    static func exit(_ error: any Error) -> Never {
        if let failure = error as? Failure {
            if !failure.description.isEmpty { Console.error(failure.description) }
            Glibc.exit(failure.code.rawValue)
        }
        // Help, version and wrong usage are the argument parser's.
        if error is ExitCode || error is CleanExit || error is ValidationError
            || Martlet.exitCode(for: error) == .validationFailure
            || Martlet.exitCode(for: error) == .success
        {
            Martlet.exit(withError: error)
        }
        Console.error("\(error)")
        Glibc.exit(Failure.Code.failed.rawValue)
    }
}

/// Standard output and standard error.
enum Console {
    static func write(_ text: String) { put(text + "\n", 1) }
    static func error(_ text: String) { put("martlet: " + text + "\n", 2) }

    /// One line for each of what a node has listed: the member as it is, or the columns that people read.
    static func list(_ members: JSONValue?, json: Bool, columns: (JSONValue) -> String) {
        for member in members?.array ?? [] { write(json ? member.text : columns(member)) }
    }

    /// Bytes as they are.
    static func raw(_ bytes: [UInt8]) { put(bytes[...], 1) }

    /// Without a line break: for progress bars.
    static func progress(_ text: String) { put(text, 2) }

    static var isTerminal: Bool { isatty(2) == 1 }

    private static func put(_ text: String, _ fd: Int32) {
        put(Array(text.utf8)[...], fd)
    }

    private static func put(_ bytes: ArraySlice<UInt8>, _ fd: Int32) {
        var bytes = bytes
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return
            }
            bytes = bytes.dropFirst(count)
        }
    }

    static func json(_ body: (inout JSONWriter) -> Void) {
        var json = JSONWriter()
        json.object { body(&$0) }
        write(json.text)
    }
}
