import Glibc
import NIOCore
import Processes
import Testing

@testable import Rasters

/// Children that are not `martlet-raster`: shell scripts that behave badly.
@Suite struct ChildProcessTests {
    /// Runs a shell script in the place of `martlet-raster`.
    private func run(_ script: String, deadline: Duration = .seconds(120)) async throws -> RasterError? {
        var template = Array("/tmp/martlet-raster-test-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { unlink(path) }
        let text = Array("#!/bin/sh\n\(script)\n".utf8)
        #expect(write(descriptor, text, text.count) == text.count)
        fchmod(descriptor, 0o700)
        close(descriptor)
        // A test beside this one may just have forked, and its child holds the script open for a moment (ETXTBSY).
        let isBusy = { (error: RasterError) in error.description.contains(String(cString: strerror(ETXTBSY))) }
        while true {
            do {
                _ = try await reader(path, deadline: deadline).inspect(TinyTIFF.bytes)
                return nil
            } catch let error as RasterError where isBusy(error) {
                try await Task.sleep(for: .milliseconds(10))
            } catch let error as RasterError {
                return error
            }
        }
    }

    private static let request = #"MRRQ\000\000\000\000\000\000\000\000\000\000\000\020\000\000\000\000"#

    @Test("a missing program is unavailable")
    func missing() async throws {
        #expect(await code { _ = try await reader("/nowhere/martlet-raster").inspect(TinyTIFF.bytes) } == .unavailable)
    }

    @Test("a child that dies by a signal is told as that", arguments: [SIGSEGV, SIGKILL, SIGABRT])
    func killed(_ signal: Int32) async throws {
        let error = try await run("echo the last words >&2; kill -\(signal) $$")
        #expect(error?.code == .crashed(signal: signal))
        #expect(error?.output.contains("the last words") == true)
    }

    @Test("a child that runs out of processor time has timed out")
    func processorTime() async throws {
        #expect(try await run("kill -XCPU $$")?.code == .timedOut)
    }

    @Test("a child that ends without a result has crashed")
    func silent() async throws {
        #expect(try await run("exit 3")?.code == .crashed(signal: nil))
    }

    @Test(
        "a child that hangs is killed at the deadline, with what it started",
        arguments: ["sleep 77", "while :; do :; done", "sleep 77 & wait"])
    func hangs(_ script: String) async throws {
        let start = ContinuousClock.now
        #expect(try await run(script, deadline: .milliseconds(300))?.code == .timedOut)
        #expect(ContinuousClock.now - start < .seconds(30))
    }

    @Test("a child that hangs in the middle of a result is killed too")
    func hangsInResult() async throws {
        #expect(
            try await run(
                #"printf 'MRRS\000\000\000\000\000\000\001\000\000\000\000\000\000\000\000\000ab'; sleep 77"#,
                deadline: .milliseconds(300))?.code == .timedOut)
    }

    @Test(
        "a request beyond the end, an empty one, one too long, one for no file and nonsense are refused",
        arguments: [
            #"MRRQ\000\000\000\000\000\000\377\000\000\000\000\020\000\000\000\000"#,
            #"MRRQ\377\377\377\377\377\377\377\377\000\000\000\020\000\000\000\000"#,
            #"MRRQ\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000"#,
            #"MRRQ\000\000\000\000\000\000\000\000\377\377\377\377\000\000\000\000"#,
            #"MRRQ\000\000\000\000\000\000\000\000\000\000\000\020\000\000\000\001"#,
            #"MRRQ\000\000\000\000\000\000\000\000\000\000\000\020\377\377\377\377"#,
            #"HTTP/1.1 200 OK of!!"#, #"MRRS\377\377\377\377\377\377\377\377\000\000\000\000\000\000\000\000"#,
        ])
    func refused(_ message: String) async throws {
        #expect(try await run("printf '\(message)'; sleep 77")?.code == .misbehaved)
    }

    @Test("a result that is no description is refused", arguments: ["{}", "[]", "nonsense", #"{\"driver\":1}"#])
    func noDescription(_ text: String) async throws {
        let json = text.replacing("\\", with: "")
        let length = String(json.utf8.count, radix: 8)
        let error = try await run(
            #"printf 'MRRS\000\000\000\000\000\000\000\\#(length)\000\000\000\000\000\000\000\000'; printf '%s' '\#(json)'; sleep 77"#
        )
        #expect(error?.code == .misbehaved)
    }

    @Test("a child that floods its standard error is served all the same")
    func flood() async throws {
        let error = try await run(
            "head -c 3000000 /dev/zero | tr '\\0' x >&2; printf '\(Self.request)'; head -c 45 >/dev/null; exit 5")
        #expect(error?.code == .crashed(signal: nil))
        #expect(error?.output.utf8.count == 4096)
    }

    @Test("the child has an empty environment and no descriptor of the node")
    func inherits() async throws {
        // Far from the numbers that a shell uses for itself, and inherited by a plain fork.
        let secret = fcntl(2, F_DUPFD, 200)
        #expect(secret >= 200)
        defer { close(secret) }
        setenv("MARTLET_TEST_SECRET", "hidden", 1)
        let error = try await run(
            "tr '\\0' ' ' < /proc/$$/environ >&2; for n in /proc/$$/fd/*; do echo fd ${n##*/}; done >&2; exit 1")
        let output = try #require(error?.output)
        #expect(!output.contains("hidden"))
        #expect(output.contains("fd 2"))
        #expect(!output.contains("fd \(secret)"), "\(output)")
    }

    @Test("no zombie is left", arguments: ["/bin/true", "/bin/cat"])
    func zombies(_ program: String) throws {
        let child = try ChildProcess(executable: program, environment: [], deadline: .now + .seconds(5))
        let pid = try #require(child.pid)
        #expect(kill(pid, 0) == 0)
        _ = child.finish()
        // A zombie could still be signalled.
        #expect(kill(pid, 0) == -1 && errno == ESRCH)
        #expect(child.pid == nil)
    }
}
