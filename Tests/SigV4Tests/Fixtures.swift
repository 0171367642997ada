import SigV4
import Testing
import Wire

/// The key pair and day of AWS's published examples.
enum Example {
    static let credentials = Credentials(
        accessKeyID: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    static let emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    static func time(_ basic: String) throws -> Timestamp { try #require(Timestamp(basic: basic)) }

    static func query(_ text: String) throws -> QueryItems { try #require(QueryItems(parsing: text)) }

    static func key(_ claim: Authorization) -> SigningKey {
        SigningKey(secret: credentials.secret, scope: claim.scope)
    }
}

/// The code of the error that `body` throws; nil if it throws none.
func code(_ body: () throws -> Void) -> SignatureError.Code? {
    do {
        try body()
        return nil
    } catch let error as SignatureError {
        return error.code
    } catch {
        Issue.record("an error of another type: \(error)")
        return nil
    }
}
