import ArgumentParser
import Glibc
import NIOHTTP1
import Server
import Wire

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks that a node can be reached and works, and that this machine has what a node needs.",
        discussion: """
            Example: martlet doctor

            Each line is a check: ok, warning or fault, and what to do about it. Exit code 2 if there is a fault.
            """)

    @Flag(help: "Print a line of JSON for each check.") var json = false

    private enum Result: String {
        case ok, warning, fault
    }

    func run() async throws {
        var faults = 0
        func say(_ result: Result, _ what: String, _ detail: String) {
            if result == .fault { faults += 1 }
            if json {
                Console.json {
                    $0.member("result", result.rawValue)
                    $0.member("check", what)
                    $0.member("detail", detail)
                }
            } else {
                Console.write("\(result.rawValue.padded(8)) \(what.padded(20)) \(detail)")
            }
        }
        say(.ok, "version", Version.current)
        checkMachine(say)
        do {
            try await NodeClient.with(login: false) { client in
                say(.ok, "node", "\(client.web) answers")
                try await checkNode(client, say)
            }
            do {
                try await NodeClient.with { client in
                    let who = try await client.json(.GET, "/oidc/userinfo")
                    say(.ok, "login", "logged in as \(who["preferred_username"]?.string ?? "?")")
                }
            } catch let failure as Failure {
                say(.warning, "login", failure.description)
            }
        } catch let failure as Failure {
            say(.fault, "node", failure.description)
        }
        guard faults == 0 else { throw Failure(.notAsItShouldBe, "") }
    }

    private func checkMachine(_ say: (Result, String, String) -> Void) {
        if let raster = NodeNeeds.rasterProgram {
            say(.ok, "martlet-raster", raster)
        } else {
            say(.warning, "martlet-raster", "not found beside this program: a node here would not look into GeoTIFFs")
        }
        if NodeNeeds.hasMapCode {
            say(.ok, "libjs-leaflet", "the console's maps work")
        } else {
            say(.warning, "libjs-leaflet", "not installed: a console here would show footprints without a map")
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(7), &limit) == 0, limit.rlim_cur < 4096 {
            say(
                .warning, "open files",
                "\(limit.rlim_cur) are allowed; a node with many clients needs more (ulimit -n 65536)")
        }
    }

    private func checkNode(_ client: NodeClient, _ say: (Result, String, String) -> Void) async throws {
        let before = Timestamp.now
        let ready = try await client.send(.GET, client.web + "/readyz")
        if ready.status == .ok {
            say(.ok, "metadata store", "answers")
        } else {
            say(.fault, "metadata store", "does not answer: see the node's log")
        }
        // SigV4 refuses clocks that differ by more than a quarter of an hour.
        if let date = ready.headers.first(name: "date").flatMap({ Timestamp(httpDate: $0) }) {
            let skew = abs(date.seconds - before.seconds)
            say(skew < 60 ? .ok : skew < 900 ? .warning : .fault, "clock", "differs by \(skew) s from the node's")
        }
        let s3 = try await client.send(.GET, client.s3 + "/")
        // Without credentials the S3 face answers with its own kind of refusal.
        let isS3 = s3.status == .forbidden && (try? XMLElement(parsing: s3.bytes))?["Code"]?.text == "AccessDenied"
        say(
            isS3 || s3.status == .ok ? .ok : .fault, "S3",
            isS3 || s3.status == .ok ? "\(client.s3) answers" : "\(client.s3) does not answer as S3")
        let checkpoint = try await client.send(.GET, client.web + "/traces/log/checkpoint")
        say(
            checkpoint.status == .ok ? .ok : .fault, "trace log",
            checkpoint.status == .ok ? "has a signed checkpoint" : "has no checkpoint")
    }
}
