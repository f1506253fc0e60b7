// SPDX-License-Identifier: MIT OR Apache-2.0
//! As much of RFC 6455 as a client on the same machine needs: the upgrade, text frames, whole messages.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Beyond this a frame is no answer that is asked for here: a picture of a long page is a few MiB.
const LARGEST: u64 = 256 << 20;
/// A mask keeps caches between two machines from being fooled (RFC 6455, 10.3); here there is nothing between.
const MASK: [u8; 4] = [0x67, 0x75, 0x70, 0x21];

/// An open connection.
#[derive(Debug)]
pub(super) struct Socket {
    stream: BufReader<TcpStream>,
}

impl Socket {
    /// Connects to `path` on a port of this machine; `wait` bounds how long an answer may take.
    pub(super) fn connect(port: u16, path: &str, wait: Duration) -> io::Result<Socket> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(wait))?;
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        // The key is echoed back hashed, which tells a cache from a server; there is no cache.
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if !line.starts_with("HTTP/1.1 101") {
            return Err(io::Error::other(format!("no upgrade: {}", line.trim_end())));
        }
        while line.trim_end() != "" {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Socket { stream })
    }

    /// Sends one text message.
    pub(super) fn send(&mut self, text: &str) -> io::Result<()> {
        self.frame(0x81, text.as_bytes())
    }

    fn frame(&mut self, head: u8, payload: &[u8]) -> io::Result<()> {
        let mut frame = vec![head];
        match payload.len() {
            short @ 0..=125 => frame.push(0x80 | short as u8),
            medium @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend((medium as u16).to_be_bytes());
            }
            long => {
                frame.push(0x80 | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.stream.get_mut().write_all(&frame)
    }

    /// Waits for one text message.
    pub(super) fn receive(&mut self) -> io::Result<String> {
        let mut message = Vec::new();
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head)?;
            let length = match head[1] & 0x7f {
                126 => {
                    let mut bytes = [0; 2];
                    self.stream.read_exact(&mut bytes)?;
                    u16::from_be_bytes(bytes).into()
                }
                127 => {
                    let mut bytes = [0; 8];
                    self.stream.read_exact(&mut bytes)?;
                    u64::from_be_bytes(bytes)
                }
                short => u64::from(short),
            };
            if length > LARGEST {
                return Err(io::Error::other(format!("a frame of {length} bytes")));
            }
            let mut payload = Vec::new();
            let read = (&mut self.stream).take(length).read_to_end(&mut payload)?;
            if (read as u64) < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match head[0] & 0x0f {
                // Continuation and text.
                0x0 | 0x1 => message.extend(payload),
                0x8 => return Err(io::Error::other("the browser has closed the connection")),
                0x9 => self.frame(0x8a, &payload)?,
                _ => {}
            }
            if head[0] & 0x80 != 0 && matches!(head[0] & 0x0f, 0x0 | 0x1) {
                return Ok(String::from_utf8_lossy(&message).into_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_message_in_pieces_comes_whole_and_what_is_sent_is_masked() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let length = stream.read(&mut head).unwrap();
            assert!(head[..length].starts_with(b"GET /x HTTP/1.1\r\n"));
            let upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(upgrade).unwrap();
            // A ping between two pieces of a text.
            stream
                .write_all(b"\x01\x03abc\x89\x01!\x80\x03def")
                .unwrap();
            let mut sent = [0; 7 + 8];
            stream.read_exact(&mut sent).unwrap();
            sent
        });
        let wait = Duration::from_secs(10);
        let mut socket = Socket::connect(port, "/x", wait).unwrap();
        assert_eq!(socket.receive().unwrap(), "abcdef");
        socket.send("hi").unwrap();
        let sent = server.join().unwrap();
        assert_eq!(sent[..2], [0x8a, 0x81], "the ping is answered");
        assert_eq!(sent[7..9], [0x81, 0x82]);
        assert_eq!([sent[13] ^ MASK[0], sent[14] ^ MASK[1]], *b"hi");
    }
}
