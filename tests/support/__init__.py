"""What several folders of tests share: real servers, and ways of waiting for something."""
