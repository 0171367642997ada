import FoundationEssentials
import Glibc
import NIOCore
import Testing

@testable import Blobs

/// Needs the right to mount a file system of 2 MiB, which the superuser has on most machines.
@Suite(.enabled(if: geteuid() == 0, "only the superuser mounts"))
struct FullDiskTests {
    @Test("a full disk is told as such, and the partial file makes room again")
    func full() async throws {
        try await withDirectory { path in
            guard run("/bin/mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path) else {
                return withKnownIssue("this machine lets the superuser mount nothing") {
                    Issue.record("mount failed")
                }
            }
            defer { _ = run("/bin/umount", "-l", path) }
            let store = try await DiskBlobs.open(path)
            let small = BlobID.random()
            try await store.put(small, pattern(1000))
            let id = BlobID.random()
            let writer = try await store.create(id)
            let outcome = await code {
                for _ in 0..<8 { try await writer.write(ByteBuffer(bytes: pattern(512 * 1024))) }
            }
            #expect(outcome == .full)
            #expect(try entries("\(path)/incoming").isEmpty)
            #expect(await code { try await writer.finish() } == .invalid)
            #expect(try await store.list(after: nil, limit: 10).map(\.id) == [small])
            try await store.put(id, pattern(1_000_000))
            #expect(try await store.get(id) == pattern(1_000_000))
            await store.close()
        }
    }

    private func run(_ arguments: String...) -> Bool {
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        argv.append(nil)
        defer { for argument in argv { free(argument) } }
        var child: pid_t = 0
        guard posix_spawn(&child, arguments[0], nil, nil, argv, nil) == 0 else { return false }
        var status: Int32 = 0
        return waitpid(child, &status, 0) == child && status == 0
    }
}
