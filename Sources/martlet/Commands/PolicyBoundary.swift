import ArgumentParser
import NIOHTTP1
import Wire

extension PolicyCommand {
    struct BoundaryCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "boundary", abstract: "Boundaries: what somebody may at most do.",
            discussion: """
                A boundary is a policy that grants nothing: what it does not allow, no other policy allows either. That
                of a space binds everybody, for all that is in the space. Example: nobody deletes anything.

                    cat > keep.json <<END
                    {"Version": "2012-10-17", "Statement": [
                      {"Effect": "Allow", "Action": "*", "Resource": "*"},
                      {"Effect": "Deny", "Action": "s3:DeleteObject*", "Resource": "*"}]}
                    END
                    martlet policy put keep keep.json
                    martlet policy boundary set space:main keep
                """,
            subcommands: [List.self, Set.self, Remove.self])

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Lists boundaries, by whom they bind.")
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                try await NodeClient.with { client in
                    for boundary in try await client.json(.GET, "/admin/v1/boundaries")["boundaries"]?.array ?? [] {
                        let subject = boundary["subject"]?.string ?? ""
                        Console.write(
                            json ? boundary.text : "\(subject.padded(32))  \(boundary["policy"]?.string ?? "")")
                    }
                }
            }
        }

        struct Set: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Makes a policy somebody's boundary.")
            @Argument(help: "user:NAME, role:NAME or space:NAME.") var subject: String
            @Argument(help: "The policy's name.") var policy: String
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                try await NodeClient.with { client in
                    try await client.json(.PUT, BoundaryCommand.path(subject), body: ["policy": .string(policy)])
                    Report.done("bound", subject, json: json)
                }
            }
        }

        struct Remove: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "Takes somebody's boundary away.")
            @Argument(help: "user:NAME, role:NAME or space:NAME.") var subject: String
            @Flag(help: "Print JSON.") var json = false

            func run() async throws {
                try await NodeClient.with { client in
                    try await client.json(.DELETE, BoundaryCommand.path(subject))
                    Report.done("unbound", subject, json: json)
                }
            }
        }

        static func path(_ subject: String) -> String { "/admin/v1/boundaries/" + PercentEncoding.encode(subject) }
    }
}
