import ArgumentParser
import Server
import Wire

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks everything that a node has stored, while the node is stopped.",
        discussion: """
            Example: martlet verify --data /srv/martlet

            It takes the same settings as `serve`, and reads everything: the database, the journal, the keys, each byte of
            each version, uploads, garbage, and the log of traces. A line is printed for each thing that is not as it
            should be. It repairs nothing.
            Exit code 0: all is well. 2: something is damaged or missing. 1: the stores could not be opened.
            """)

    @OptionGroup var settings: NodeSettings

    @Flag(help: "Print a line of JSON for each finding, and one at the end.")
    var json = false

    func run() async throws {
        let progress = Progress(total: 0, isShown: !json)
        let summary = try await Verification(try settings.configuration()).run(
            found: { [json] check, subject, problem in
                progress.finish()
                if json {
                    Console.json {
                        $0.member("check", check)
                        $0.member("subject", subject)
                        $0.member("problem", problem)
                    }
                } else {
                    Console.write("\(check.padded(9)) \(subject): \(problem)")
                }
            },
            total: { progress.expect($0) }, progress: { progress.add($0, label: $1) })
        progress.finish()
        report(summary)
        guard summary.findings == 0 else { throw Failure(.notAsItShouldBe, "") }
    }

    private func report(_ summary: Verification.Summary) {
        if json {
            Console.json {
                $0.member("findings", summary.findings)
                $0.member("versions", summary.versions)
                $0.member("bytes", summary.bytes)
                $0.member("sealed", summary.sealed)
                $0.member("quarantined", summary.quarantined)
                $0.member("uploads", summary.uploads)
                $0.member("garbage", summary.garbage)
                $0.member("orphans", summary.orphans)
                $0.member("orphanBytes", summary.orphanBytes)
                $0.member("keys", summary.keys)
                $0.member("events", summary.events)
                $0.member("traces", summary.traces)
            }
            return
        }
        Console.write("\(summary.versions) versions, \(Size.text(summary.bytes)); \(summary.uploads) uploads under way")
        Console.write(
            "\(summary.keys) keys, \(summary.events) events of the journal, \(summary.traces) traces in the log")
        if summary.sealed > 0 {
            Console.write("\(summary.sealed) versions have keys that do not open: nothing is known of them")
        }
        if summary.quarantined > 0 { Console.write("\(summary.quarantined) versions are in quarantine") }
        if summary.garbage + summary.orphans > 0 {
            Console.write(
                "\(summary.garbage) blobs wait to be deleted; \(summary.orphans) of \(Size.text(summary.orphanBytes)) belong to nothing, and the node will delete them"
            )
        }
        Console.write(summary.findings == 0 ? "all is well" : "\(summary.findings) things are not as they should be")
    }
}
