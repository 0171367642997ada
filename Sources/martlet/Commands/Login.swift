import ArgumentParser
import Glibc
import Wire

struct Login: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Logs in, and remembers it for the commands that follow.",
        discussion: """
            Example: martlet login --url http://127.0.0.1:8080 --user admin

            The name and password are taken from MARTLET_USER and MARTLET_PASSWORD, or asked for, and so is a code
            (MARTLET_CODE) where the account has set up codes of an app. With --token the bearer
            token is printed instead of being remembered, for use by other programs:
                curl -H "Authorization: Bearer $(martlet login --token)" $MARTLET_URL/stac/collections
            """)

    @Option(help: "Address of the node (default MARTLET_URL).") var url: String?
    @Option(help: "Name of the account (default MARTLET_USER).") var user: String?
    @Flag(help: "Print a bearer token and store nothing.") var token = false
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let environment = Environment.all
        try await NodeClient.with(login: false, url: url) { client in
            let user = try self.user ?? environment["MARTLET_USER"] ?? Prompt.line("Account: ")
            let password = try environment["MARTLET_PASSWORD"] ?? Prompt.password("Password: ")
            let login = try await client.token(user: user, password: password) {
                try environment["MARTLET_CODE"] ?? Prompt.line("Code of your app: ")
            }
            if token {
                if json {
                    Console.json {
                        $0.member("token", login.token); $0.member("expires", login.expires)
                    }
                } else {
                    Console.write(login.token)
                }
                return
            }
            try StoredLogin(
                url: client.web, token: login.token, expires: login.expires, authority: environment["MARTLET_CA"]
            ).write()
            if json {
                Console.json {
                    $0.member("url", client.web); $0.member("user", user); $0.member("expires", login.expires)
                }
            } else {
                Console.write("Logged in to \(client.web) as \(user) for an hour.")
            }
        }
    }
}

/// Questions on the terminal.
enum Prompt {
    static func line(_ question: String) throws -> String {
        Console.progress(question)
        guard let answer = readLine(), !answer.isEmpty else { throw Failure(.failed, "nothing was entered") }
        return answer
    }

    /// Reads without showing what is typed.
    static func password(_ question: String) throws -> String {
        guard isatty(0) == 1 else { return try line("") }
        guard let text = getpass(question) else { throw Failure(.failed, "no password was entered") }
        return String(cString: text)
    }
}
